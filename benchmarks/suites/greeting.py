"""A workflow with one activity; the sandbox loads this module again for each, so it is small."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        limit = timedelta(seconds=5)
        return await workflow.execute_activity(greet, name, start_to_close_timeout=limit)
