"""How lists are cut into pages."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class PagePagination(CursorPagination):
    """``{"next", "previous", "results"}`` in the order that the view names in `ordering`; 50 an answer, 200 at most.

    A cursor stays right while rows come and go, and never counts a table.
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        """The view's `ordering`, else the model's."""
        return tuple(getattr(view, "ordering", ()) or queryset.model._meta.ordering)

    def get_paginated_response(self, data: Any) -> Response:
        """The page."""
        return Response({"next": self.get_next_link(), "previous": self.get_previous_link(), "results": data})
