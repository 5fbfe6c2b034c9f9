"""Questions asked of many trainings: what parts of the recipe and more labels are worth, which texts to label."""
