"""Raw texts -> a transformer that knows them: masked or causal training, before any label. Gururangan et al. 2020."""
