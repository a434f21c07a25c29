"""The command line: the tables, the doctor and single questions for a shell on a bastion and for scripts.

May know what the magics know; says the same errors in one line. Start reading at `main`.
"""
