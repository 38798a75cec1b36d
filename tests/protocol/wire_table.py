"""Every message of the contract beside its JSON text, for tests of both directions."""

from __future__ import annotations

from trio_agent_rt.protocol import (
    Acknowledged,
    CancelTask,
    Command,
    CommandFailed,
    ConfirmationRecord,
    ConfirmationRequested,
    ConfirmStep,
    Connected,
    CustomEvent,
    Event,
    GapOccurred,
    GetState,
    GetTools,
    Ping,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    Pong,
    Position,
    Receipt,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    SubmitTask,
    TaskCompleted,
    ToolInfo,
    ToolsListed,
    Usage,
)

RECEIPT = Receipt(
    task_id="t1",
    reason="asked",
    requested_at=10,
    ended_at=30,
    duration=20,
    interrupted=("b",),
    completed=("a",),
    cleanup="timed_out",
    cleanup_detail="b",
)
RECEIPT_TEXT = (
    '{"taskId":"t1","reason":"asked","requestedAt":10,"endedAt":30,"duration":20,'
    '"interrupted":["b"],"completed":["a"],"cleanup":"timed_out","cleanupDetail":"b"}'
)

COMMAND_TABLE: list[tuple[Command, str]] = [
    (SubmitTask(task="go"), '{"type":"task:submit","data":{"task":"go","context":{}}}'),
    (
        SubmitTask(task="走", context={"n": [1, None]}, task_id="t1", request_id="r1"),
        (
            '{"type":"task:submit","data":{"task":"走","context":{"n":[1,null]},"taskId":"t1"},'
            '"requestId":"r1"}'
        ),
    ),
    (CancelTask(), '{"type":"task:cancel"}'),
    (
        CancelTask(task_id="t1", reason="late"),
        '{"type":"task:cancel","data":{"taskId":"t1","reason":"late"}}',
    ),
    (
        ConfirmStep(step_id="s", approved=True),
        '{"type":"step:confirm","data":{"stepId":"s","approved":true}}',
    ),
    (
        ConfirmStep(step_id="s", approved=False, reason="no", task_id="t1"),
        (
            '{"type":"step:confirm",'
            '"data":{"stepId":"s","approved":false,"reason":"no","taskId":"t1"}}'
        ),
    ),
    (GetTools(request_id=""), '{"type":"get:tools","requestId":""}'),
    (GetState(), '{"type":"get:state"}'),
    (Ping(), '{"type":"ping"}'),
]

EVENT_TABLE: list[tuple[Event, str]] = [
    (
        Connected(
            client_id="c", session_id="s", resumed=False, heartbeat_interval=15.0, timestamp=1
        ),
        (
            '{"type":"connected","data":{"clientId":"c","sessionId":"s","protocolVersion":1,'
            '"resumed":false,"heartbeatInterval":15.0},"timestamp":1}'
        ),
    ),
    (
        StatusChanged(state="idle", message="Ready", timestamp=1),
        '{"type":"status","data":{"state":"idle","message":"Ready"},"timestamp":1}',
    ),
    (
        StatusChanged(state="executing", message="m", cancelling=True, task_id="t", timestamp=1),
        (
            '{"type":"status","data":{"state":"executing","message":"m","cancelling":true},'
            '"timestamp":1,"taskId":"t"}'
        ),
    ),
    (
        PlanCreated(
            plan=Plan(
                id="p",
                steps=[
                    PlanStep(id="a", name="A"),
                    PlanStep(
                        id="b",
                        name="B",
                        description="d",
                        type="work",
                        tool="t",
                        depends_on=["a"],
                        need_confirmation=True,
                        status="success",
                        duration=7,
                        progress=100.0,
                        result=StepResult(status="success", duration=7, output=[1.5], retries=2),
                    ),
                    PlanStep(id="c", name="C", status="failed", error="no"),
                ],
            ),
            task_id="t",
            position=Position("e1", 4),
            timestamp=1,
        ),
        (
            '{"type":"plan:created","data":{"plan":{"id":"p","steps":['
            '{"id":"a","name":"A","description":"","type":"tool","status":"pending"},'
            '{"id":"b","name":"B","description":"d","type":"work","tool":"t","dependsOn":["a"],'
            '"needConfirmation":true,"status":"success","duration":7,"progress":100.0,'
            '"result":{"status":"success","duration":7,"output":[1.5],"retries":2}},'
            '{"id":"c","name":"C","description":"","type":"tool","status":"failed","error":"no"}'
            ']}},"id":"e1-4","timestamp":1,"taskId":"t"}'
        ),
    ),
    (
        PlanUpdated(plan=Plan(id="p"), timestamp=1),
        '{"type":"plan:updated","data":{"plan":{"id":"p","steps":[]}},"timestamp":1}',
    ),
    (
        StepStarted(step_id="a", step_name="A", step_index=0, total_steps=2, timestamp=1),
        (
            '{"type":"step:start","data":{"stepId":"a","stepName":"A","stepIndex":0,"totalSteps":2},'
            '"timestamp":1}'
        ),
    ),
    (
        StepStarted(
            step_id="a", step_name="A", step_index=0, total_steps=2, timestamp=1, replay=True
        ),
        (
            '{"type":"step:start","data":{"stepId":"a","stepName":"A","stepIndex":0,"totalSteps":2},'
            '"timestamp":1,"replay":true}'
        ),
    ),
    (
        StepProgressed(step_id="a", progress=50, message="half", timestamp=1),
        (
            '{"type":"step:progress","data":{"stepId":"a","progress":50,"message":"half"},'
            '"timestamp":1}'
        ),
    ),
    (
        StepOutput(step_id="a", text="To\nken", timestamp=1),
        '{"type":"step:output","data":{"stepId":"a","text":"To\\nken"},"timestamp":1}',
    ),
    (
        StepCompleted(
            step_id="a",
            step_name="A",
            result=StepResult(status="skipped", duration=0, output=None),
            timestamp=1,
        ),
        (
            '{"type":"step:complete","data":{"stepId":"a","stepName":"A","result":'
            '{"status":"skipped","duration":0,"output":null,"retries":0}},"timestamp":1}'
        ),
    ),
    (
        StepFailed(step_id="a", step_name="A", error="no", will_retry=True, timestamp=1),
        (
            '{"type":"step:error","data":{"stepId":"a","stepName":"A","error":"no",'
            '"willRetry":true},"timestamp":1}'
        ),
    ),
    (
        ConfirmationRequested(
            step_id="a", step_name="A", reason="sure?", expires_at=None, timestamp=1
        ),
        (
            '{"type":"waiting:confirmation","data":{"stepId":"a","stepName":"A","reason":"sure?",'
            '"expiresAt":null},"timestamp":1}'
        ),
    ),
    (
        TaskCompleted(
            success=True,
            outcome="succeeded",
            output={"rows": 3},
            summary="done",
            duration=9,
            error=None,
            timestamp=1,
        ),
        (
            '{"type":"task:complete","data":{"success":true,"outcome":"succeeded",'
            '"output":{"rows":3},"summary":"done","duration":9,"error":null},"timestamp":1}'
        ),
    ),
    (
        TaskCompleted(
            success=False,
            outcome="cancelled",
            output=None,
            summary=None,
            duration=9,
            error="cancelled",
            receipt=RECEIPT,
            timestamp=1,
        ),
        (
            '{"type":"task:complete","data":{"success":false,"outcome":"cancelled","output":null,'
            f'"summary":null,"duration":9,"error":"cancelled","receipt":{RECEIPT_TEXT}}},'
            '"timestamp":1}'
        ),
    ),
    (
        TaskCompleted(
            success=True,
            outcome="succeeded",
            output=None,
            summary=None,
            duration=9,
            error=None,
            confirmations=[
                ConfirmationRecord(
                    step_id="a",
                    step_name="A",
                    question="May I?",
                    outcome="rejected",
                    by="ann",
                    reason="not today",
                    asked_at=1,
                    closed_at=2,
                ),
                ConfirmationRecord(
                    step_id="b",
                    step_name="B",
                    question="May I?",
                    outcome="expired",
                    asked_at=3,
                    closed_at=4,
                ),
            ],
            usage=Usage(input_tokens=5, output_tokens=6),
            timestamp=1,
        ),
        (
            '{"type":"task:complete","data":{"success":true,"outcome":"succeeded","output":null,'
            '"summary":null,"duration":9,"error":null,"confirmations":[{"stepId":"a",'
            '"stepName":"A","question":"May I?","outcome":"rejected","by":"ann",'
            '"reason":"not today","askedAt":1,"closedAt":2},{"stepId":"b","stepName":"B",'
            '"question":"May I?","outcome":"expired","askedAt":3,"closedAt":4}],'
            '"usage":{"inputTokens":5,"outputTokens":6}},"timestamp":1}'
        ),
    ),
    (
        ToolsListed(
            tools=[
                ToolInfo(
                    name="wait",
                    description="Waits",
                    category="time",
                    parameters={"type": "object"},
                    cancellation="async",
                )
            ],
            timestamp=1,
        ),
        (
            '{"type":"tools:list","data":{"tools":[{"name":"wait","description":"Waits",'
            '"category":"time","parameters":{"type":"object"},"cancellation":"async"}]},'
            '"timestamp":1}'
        ),
    ),
    (
        GapOccurred(missed=None, timestamp=1),
        '{"type":"gap","data":{"missed":null},"timestamp":1}',
    ),
    (
        CommandFailed(message="busy", code="busy", timestamp=1),
        '{"type":"error","data":{"message":"busy","code":"busy"},"timestamp":1}',
    ),
    (
        CommandFailed(message="busy", code="busy", request_id="r", timestamp=1),
        (
            '{"type":"error","data":{"message":"busy","code":"busy","requestId":"r"},'
            '"timestamp":1,"requestId":"r"}'
        ),
    ),
    (
        Acknowledged(request_id="r", outcome="accepted", task_id="t", timestamp=1),
        '{"type":"ack","data":{"outcome":"accepted"},"timestamp":1,"taskId":"t","requestId":"r"}',
    ),
    (
        Acknowledged(
            request_id="r", outcome="cancelled", receipt=RECEIPT, receipts=[RECEIPT], timestamp=1
        ),
        (
            f'{{"type":"ack","data":{{"outcome":"cancelled","receipt":{RECEIPT_TEXT},'
            f'"receipts":[{RECEIPT_TEXT}]}},"timestamp":1,"requestId":"r"}}'
        ),
    ),
    (Pong(timestamp=1), '{"type":"pong","data":{},"timestamp":1}'),
    (
        CustomEvent(type="custom", data={}, timestamp=1),
        '{"type":"custom","data":{},"timestamp":1}',
    ),
]
