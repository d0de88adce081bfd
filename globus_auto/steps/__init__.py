"""The steps of both programs."""
