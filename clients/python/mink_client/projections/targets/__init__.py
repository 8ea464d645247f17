"""Where read models are: Postgres, SQLite, or somewhere that Mink knows nothing of."""
