"""Questions asked of many trainings: what more labels are worth, and which texts to label next."""
