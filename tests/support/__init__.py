"""Helpers that tests of several rooms share. No mocks of our own code: clusters are real, certificates are too."""
