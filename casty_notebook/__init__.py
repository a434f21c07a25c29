"""Explore a live Casty actor cluster from Jupyter and IPython."""
