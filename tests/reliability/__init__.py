"""What a cluster, a network and time do to a client: scenarios that run alike against ours and `casty.ClusterClient`.

Start reading at `scenarios`: one function per fault, each returns an `Outcome` (a row of the report and its evidence).
``python -m tests.reliability`` prints the table, ``python -m tests.reliability.soak MINUTES`` breaks a cluster at random.
"""
