"""The store in Postgres, which several processes may have open: the extra ``postgres``."""
