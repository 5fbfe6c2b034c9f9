"""Nothing but language models for Ulmus, which finds them by the entry point of this distribution."""
