"""Score entities and relations. No model required."""
