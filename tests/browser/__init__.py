"""The live view in a real Chromium: by itself on a page, in JupyterLab and in Notebook 7."""
