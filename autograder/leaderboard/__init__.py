"""A challenge's standings: kept in a database, ranked, and shown to students or to staff."""
