"""The tables."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

from sqlalchemy import DateTime, ForeignKey, Numeric, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Document = dict[str, Any]
Identity = Annotated[str, mapped_column(primary_key=True, default=lambda: uuid4().hex)]
Number = Annotated[int, mapped_column(primary_key=True)]
Name = Annotated[str, mapped_column(unique=True)]


def _part_of(table: str, **options: Any) -> Mapped[str]:
    return mapped_column(ForeignKey(f"{table}.id", ondelete="CASCADE"), **options)


class Base(DeclarativeBase):
    """Every table of the service is in `Base.metadata`."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain class attribute
        Document: JSONB,
        Decimal: Numeric(18, 9),
        datetime: DateTime(timezone=True),
    }


class WorkflowDefinition(Base):
    """A workflow that can be run: a unique name and its steps."""

    __tablename__ = "workflow_definitions"

    id: Mapped[Identity]
    name: Mapped[Name]
    steps: Mapped[Document]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WorkflowExecution(Base):
    """One run of a definition, and what it may cost in US dollars."""

    __tablename__ = "workflow_executions"

    id: Mapped[Identity]
    definition_id: Mapped[str] = _part_of("workflow_definitions")
    status: Mapped[str] = mapped_column(default="pending")
    budget_usd: Mapped[Decimal] = mapped_column(default=Decimal(1))
    finished_at: Mapped[datetime | None]


class StateSnapshot(Base):
    """The state of an execution at one moment; versions count from 1."""

    __tablename__ = "state_snapshots"
    __table_args__ = (UniqueConstraint("execution_id", "version"),)

    id: Mapped[Number]
    execution_id: Mapped[str] = _part_of("workflow_executions")
    version: Mapped[int]
    state: Mapped[Document]


class ApprovalRequest(Base):
    """A question to a person; an execution asks at most once."""

    __tablename__ = "approval_requests"

    execution_id: Mapped[str] = _part_of("workflow_executions", primary_key=True)
    status: Mapped[str] = mapped_column(default="pending")
    decided_by: Mapped[str | None]


class Cost(Base):
    """One paid call of a language model."""

    __tablename__ = "costs"

    id: Mapped[Number]
    execution_id: Mapped[str] = _part_of("workflow_executions")
    model: Mapped[str]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    usd: Mapped[Decimal]
