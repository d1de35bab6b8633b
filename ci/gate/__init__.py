"""Evidence policies: what has to be shown before something may be released."""
