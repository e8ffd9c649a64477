"""What changes notifications. Pages and API call these and nothing else."""

from .inbox import choices_set, notice_mark, notices_mark_all
from .webhooks import (
    delivery_again,
    webhook_create,
    webhook_delete,
    webhook_renew_secret,
    webhook_test,
    webhook_update,
)

__all__ = [
    "choices_set",
    "delivery_again",
    "notice_mark",
    "notices_mark_all",
    "webhook_create",
    "webhook_delete",
    "webhook_renew_secret",
    "webhook_test",
    "webhook_update",
]
