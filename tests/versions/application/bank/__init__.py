"""An application that exists on its nodes only: no test can import it, and none needs to."""
