"""Messages that must arrive: an outbox in the database, and the worker that empties it."""
