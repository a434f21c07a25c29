"""An application that exists on the nodes only: this folder is on their path, never on the asking side's."""
