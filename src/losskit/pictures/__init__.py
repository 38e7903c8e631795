"""Pictures: curves of losses, maps, and laws that a loss breaks."""
