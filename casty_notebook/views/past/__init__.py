"""What was: remembered while it happens (`recorder`), kept in a file (`recording`), and named (`times`)."""
