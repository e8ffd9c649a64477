"""Changes of a machine that is there: size, disks, network cards, CD, snapshots. Each answers 202 with its operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.callers import caller
from operations.idempotency import HEADER, operation_once, request_digest
from operations.models import Operation
from vms.disks import kept_disks_for
from vms.images import discs_for, images_for
from vms.models import Disk, Nic, Snapshot, Vm
from vms.selectors import boot_order_of
from vms.services import (
    boot_order_set,
    cd_change,
    disk_add,
    disk_attach,
    disk_delete,
    disk_detach,
    disk_grow,
    disk_remove,
    nic_add,
    nic_remove,
    snapshot_delete,
    snapshot_make,
    snapshot_revert,
    vm_resize,
)

from .change_serializers import (
    BootSerializer,
    CdDriveSerializer,
    CdSerializer,
    DiskRemoveSerializer,
    DiskSizeSerializer,
    KeptDiskSerializer,
    MachineDiskSerializer,
    MachineNicSerializer,
    ResourcesSerializer,
    SnapshotMakeSerializer,
    SnapshotSerializer,
)
from .choosing import chosen
from .filters import KeptDiskFilter
from .serializers import NewDiskSerializer, NewNicSerializer, OperationAddressSerializer
from .views import IDEMPOTENCY_KEY, accepted, once_here, vm_or_404

T = TypeVar("T", bound=Model)

ACCEPTED = {202: OperationAddressSerializer}


class ResourcesView(APIView):
    """How large a machine is."""

    @extend_schema(
        operation_id="vm_resize", request=ResourcesSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY]
    )
    def put(self, request: Request, vm_id: UUID) -> Response:
        """Changes vCPUs and memory: at once where the guest takes it, else at its next start. The operation's result says which."""
        vm, wanted = vm_or_404(request, vm_id), given(ResourcesSerializer, request)
        return once(request, "resize", vm, partial(vm_resize, vm=vm, user=caller(request), **wanted))


class DiskListView(generics.ListAPIView[Disk]):
    """The disks of a machine that Eve made."""

    queryset = Disk.objects.none()
    serializer_class = MachineDiskSerializer
    ordering = ("position", "id")

    def get_queryset(self) -> QuerySet[Disk]:
        """Of that machine."""
        return Disk.objects.filter(vm=vm_or_404(self.request, self.kwargs["vm_id"]))

    @extend_schema(operation_id="disk_add", request=NewDiskSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Adds an empty one, also while it runs."""
        vm, wanted = vm_or_404(request, vm_id), given(NewDiskSerializer, request)
        return once(request, "disk_add", vm, partial(disk_add, vm=vm, user=caller(request), **wanted))


class DiskView(APIView):
    """One disk of a machine that Eve made."""

    @extend_schema(
        operation_id="disk_grow", request=DiskSizeSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY]
    )
    def patch(self, request: Request, vm_id: UUID, disk_id: UUID) -> Response:
        """Makes it larger, also while it runs. It never gets smaller."""
        disk, wanted = self._disk(request, vm_id, disk_id), given(DiskSizeSerializer, request)
        return once(request, "disk_grow", disk, partial(disk_grow, disk=disk, user=caller(request), **wanted))

    @extend_schema(operation_id="disk_attach", request=None, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def put(self, request: Request, vm_id: UUID, disk_id: UUID) -> Response:
        """Attaches a disk that the machine's project keeps on its host, also while it runs."""
        vm = vm_or_404(request, vm_id)
        kept = Q(pk__in=kept_disks_for(caller(request)).order_by().values("pk"))
        disk = found(Disk.objects.filter(kept | Q(vm=vm), pk=disk_id))  # a retry finds it attached
        return once(request, f"disk_attach.{disk_id}", vm, partial(disk_attach, vm=vm, disk=disk, user=caller(request)))

    @extend_schema(
        operation_id="disk_remove",
        responses=ACCEPTED,
        parameters=[
            OpenApiParameter("keep", bool, description="Whether it stays with the project."),
            IDEMPOTENCY_KEY,
        ],
    )
    def delete(self, request: Request, vm_id: UUID, disk_id: UUID) -> Response:
        """Takes it from the machine, and deletes it unless it is kept; the first one stays."""
        wanted = DiskRemoveSerializer(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        remove = disk_detach if wanted.validated_data["keep"] else disk_remove
        return once_here(request, lambda: remove(disk=self._disk(request, vm_id, disk_id), user=caller(request)))

    def _disk(self, request: Request, vm_id: UUID, disk_id: UUID) -> Disk:
        return found(Disk.objects.filter(vm=vm_or_404(request, vm_id), pk=disk_id).select_related("vm__project"))


class KeptDiskListView(generics.ListAPIView[Disk]):
    """The disks that belong to no machine, of your projects."""

    queryset = Disk.objects.none()
    serializer_class = KeptDiskSerializer
    filterset_class = KeptDiskFilter
    ordering = ("created_at", "id")

    def get_queryset(self) -> QuerySet[Disk]:
        """The caller's own."""
        return kept_disks_for(caller(self.request))


class KeptDiskView(APIView):
    """A disk that belongs to no machine."""

    @extend_schema(responses=KeptDiskSerializer)
    def get(self, request: Request, disk_id: UUID) -> Response:
        """Shows it."""
        return Response(KeptDiskSerializer(found(kept_disks_for(caller(request)).filter(pk=disk_id))).data)

    @extend_schema(operation_id="disk_delete", responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def delete(self, request: Request, disk_id: UUID) -> Response:
        """Deletes it, with all that is on it."""
        kept = kept_disks_for(caller(request)).filter(pk=disk_id)
        return once_here(request, lambda: disk_delete(disk=found(kept), user=caller(request)))


class NicListView(generics.ListAPIView[Nic]):
    """The network cards of a machine that Eve made."""

    queryset = Nic.objects.none()
    serializer_class = MachineNicSerializer
    ordering = ("position", "id")

    def get_queryset(self) -> QuerySet[Nic]:
        """Of that machine."""
        return Nic.objects.filter(vm=vm_or_404(self.request, self.kwargs["vm_id"]))

    @extend_schema(operation_id="nic_add", request=NewNicSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Adds one, also while it runs."""
        vm, wanted = vm_or_404(request, vm_id), given(NewNicSerializer, request)
        return once(request, "nic_add", vm, partial(nic_add, vm=vm, user=caller(request), wanted=wanted))


class NicView(APIView):
    """One network card of a machine that Eve made."""

    @extend_schema(operation_id="nic_remove", responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def delete(self, request: Request, vm_id: UUID, mac: str) -> Response:
        """Takes it away, also while it runs."""
        return once_here(request, lambda: nic_remove(nic=nic_of(vm_or_404(request, vm_id), mac), user=caller(request)))


class CdView(APIView):
    """The CD drive of a machine that Eve made."""

    @extend_schema(operation_id="cd_retrieve", responses=CdDriveSerializer)
    def get(self, request: Request, vm_id: UUID) -> Response:
        """What is in it, and what may be."""
        vm = vm_or_404(request, vm_id)
        drive = {"image": vm.cd_image, "choices": discs_for(caller(request), vm).order_by("name", "id")}
        return Response(CdDriveSerializer(drive).data)

    @extend_schema(operation_id="cd_change", request=CdSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def put(self, request: Request, vm_id: UUID) -> Response:
        """Inserts an ISO, or empties the drive."""
        vm, wanted = vm_or_404(request, vm_id), given(CdSerializer, request)
        user = caller(request)
        return once(
            request,
            "cd",
            vm,
            lambda: cd_change(vm=vm, user=user, image=chosen(wanted, "image", images_for(user))),
        )


class BootView(APIView):
    """What a machine that Eve made boots from."""

    @extend_schema(responses=BootSerializer)
    def get(self, request: Request, vm_id: UUID) -> Response:
        """From its next start on; the first first."""
        return Response({"devices": boot_order_of(vm_or_404(request, vm_id))})

    @extend_schema(
        operation_id="boot_order_set", request=BootSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY]
    )
    def put(self, request: Request, vm_id: UUID) -> Response:
        """Changes it, from the next start on."""
        vm, wanted = vm_or_404(request, vm_id), given(BootSerializer, request)
        return once(request, "boot", vm, partial(boot_order_set, vm=vm, user=caller(request), **wanted))


class SnapshotListView(generics.ListAPIView[Snapshot]):
    """The snapshots of a machine, the oldest first."""

    queryset = Snapshot.objects.none()
    serializer_class = SnapshotSerializer
    ordering = ("created_at", "id")

    def get_queryset(self) -> QuerySet[Snapshot]:
        """Of that machine."""
        return Snapshot.objects.filter(vm=vm_or_404(self.request, self.kwargs["vm_id"]))

    @extend_schema(
        operation_id="snapshot_make", request=SnapshotMakeSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY]
    )
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Makes one: with its memory if it runs, of its disks alone if it is off."""
        vm, wanted = vm_or_404(request, vm_id), given(SnapshotMakeSerializer, request)
        return once(request, "snapshot", vm, partial(snapshot_make, vm=vm, user=caller(request), **wanted))


class SnapshotView(APIView):
    """One snapshot."""

    @extend_schema(operation_id="snapshot_delete", responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def delete(self, request: Request, vm_id: UUID, snapshot_id: UUID) -> Response:
        """Deletes it; the machine and other snapshots stay as they are."""
        return once_here(
            request,
            lambda: snapshot_delete(snapshot=snapshot_of(vm_or_404(request, vm_id), snapshot_id), user=caller(request)),
        )


class SnapshotRevertView(APIView):
    """The way back to a snapshot."""

    @extend_schema(operation_id="snapshot_revert", request=None, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request, vm_id: UUID, snapshot_id: UUID) -> Response:
        """Makes the machine what it was then. What its disks hold now is lost."""
        snapshot = snapshot_of(vm_or_404(request, vm_id), snapshot_id)
        return once(request, "revert", snapshot, partial(snapshot_revert, snapshot=snapshot, user=caller(request)))


def nic_of(vm: Vm, mac: str) -> Nic:
    """That network card of the VM. Raises Http404."""
    return found(Nic.objects.filter(vm=vm, mac=mac.lower()).select_related("vm__project"))


def snapshot_of(vm: Vm, snapshot_id: UUID) -> Snapshot:
    """That snapshot of the VM. Raises Http404."""
    return found(Snapshot.objects.filter(vm=vm, pk=snapshot_id).select_related("vm__project"))


def found(rows: QuerySet[T]) -> T:
    """The one row that there is. Raises Http404."""
    row = rows.first()
    if row is None:
        raise Http404
    return row


def given(serializer: type[Serializer[Any]], request: Request) -> Any:
    """The body, checked. Raises ValidationError."""
    wanted = serializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    return wanted.validated_data


def once(request: Request, what: str, target: Any, make: Callable[[], Operation]) -> Response:
    """202 with the operation that `make` makes, or that an earlier try with the same key made."""
    return accepted(operation_asked(request, what, target, make))


def operation_asked(request: Request, what: str, target: Any, make: Callable[[], Operation]) -> Operation:
    """The operation that `make` makes, or that an earlier try with the same key made."""
    return operation_once(
        user=caller(request),
        key=request.headers.get(HEADER, ""),
        digest=request_digest(f"vm.{what}", str(target.pk), request.data),
        make=make,
    )
