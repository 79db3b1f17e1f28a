"""The JSON API under /api/v1: declarations that serve and describe themselves. Holds no rule."""
