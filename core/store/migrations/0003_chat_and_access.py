import functools
import json

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from core.store.fields import ExactDecimal

_ENCODE = functools.partial(json.dumps, separators=(",", ":"))


class Migration(migrations.Migration):
    dependencies = [("store", "0002_order_integrity")]

    operations = [
        # --- operations are appended here, one block a room ---
    ]
