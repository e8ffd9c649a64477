"""Every write of this app; each function is keyword-only and named ``<entity>_<action>``."""

from .certificates import (
    ca_ensure,
    certificate_revoke,
    certificate_sign_by_hand,
    eve_certificate_renew,
    eve_pins,
)
from .enrolment import enrolment_line, enrolment_token_create, hypervisor_enrol
from .hypervisors import (
    hypervisor_delete,
    hypervisor_register,
    hypervisor_state_set,
    hypervisor_update,
    site_create,
    site_staff_set,
    site_update,
)

__all__ = [
    "ca_ensure",
    "certificate_revoke",
    "certificate_sign_by_hand",
    "enrolment_line",
    "enrolment_token_create",
    "eve_certificate_renew",
    "eve_pins",
    "hypervisor_delete",
    "hypervisor_enrol",
    "hypervisor_register",
    "hypervisor_state_set",
    "hypervisor_update",
    "site_create",
    "site_staff_set",
    "site_update",
]
