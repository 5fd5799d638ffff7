"""The database: Tortoise models, migrations and repositories. Nothing else knows the ORM."""
