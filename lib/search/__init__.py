"""Similarity search: metrics, exact top-k, neighbourhoods, retrieval measures, agreement and significance."""
