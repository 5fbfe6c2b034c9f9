"""Raw texts -> a language model: pretrain, fine-tune, measure, generate, save."""
