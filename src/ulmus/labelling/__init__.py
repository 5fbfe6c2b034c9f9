"""People label texts, one key each, in the order that teaches most: journal, desk, quick model, local page."""
