"""Models that train with any loss."""
