"""Operations that take functions (torch._higher_order_ops): those that libraries call."""

from __future__ import annotations

from .associative_scan import associative_scan

__all__ = ["associative_scan"]
