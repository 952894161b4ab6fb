"""Everything put together: `python -m wflo.worker` runs workflows until it is stopped."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from kafka import KafkaProducer
from redis.asyncio import Redis
from temporalio.client import Client
from temporalio.worker import Worker

from wflo.activities import Activities
from wflo.database import make_engine, make_sessions
from wflo.events import EventPublisher
from wflo.settings import Settings
from wflo.workflows import SimpleWorkflow, WfloWorkflow

WORKFLOWS = [SimpleWorkflow, WfloWorkflow]
TAKE_OVER = timedelta(seconds=1)
"""How long a workflow waits for the process that has it in memory, before another replays it."""


@asynccontextmanager
async def open_activities(settings: Settings) -> AsyncIterator[Activities]:
    """Connect the activities to database, Redis and Kafka, and close all three afterwards."""
    engine = make_engine(settings)
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    try:
        async with Redis.from_url(settings.redis_url) as redis:
            publisher = EventPublisher(producer, settings.events_topic)
            yield Activities(make_sessions(engine), redis, publisher, settings.redis_prefix)
    finally:
        producer.close()
        await engine.dispose()


async def serve(settings: Settings) -> None:
    """Run workflows until cancelled."""
    client = await Client.connect(settings.temporal_address, namespace=settings.temporal_namespace)
    async with open_activities(settings) as steps:
        worker = Worker(
            client,
            task_queue=settings.temporal_task_queue,
            workflows=WORKFLOWS,
            activities=steps.all(),
            sticky_queue_schedule_to_start_timeout=TAKE_OVER,
        )
        await worker.run()


if __name__ == "__main__":
    asyncio.run(serve(Settings.from_env(os.environ)))
