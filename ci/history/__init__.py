"""What runs have shown over time, in a database that can always be filled again from their folders.

sqlalchemy and alembic are imported in this folder alone.
"""

ENVIRONMENT = "VIRTCI_HISTORY"  # a database URL; a password in it is in no argument list
