"""The past of a cluster: remembered while it happens (`recorder`), kept in a file (`recording`), named by a user (`times`)."""
