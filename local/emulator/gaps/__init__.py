"""What the pinned emulator lacks of AWS, one module each; `apply` fills it in.

Every module first asserts that what it replaces looks as it did in the pinned version.
"""

from local.emulator.gaps import (
    alarm_actions,
    alarm_states,
    asynchronous_calls,
    cloudformation_alarms,
    cloudformation_properties,
    cloudformation_types,
    distributed_map,
    event_targets,
    lambda_archives,
    lambda_client_context,
    lambda_errors,
    lambda_interpreter,
    lambda_logs,
    log_filters,
    log_metrics,
    log_subscriptions,
    managed_key,
    metric_queries,
    secret_references,
    secure_transport,
    service_metrics,
    state_machine_timeout,
    stopped_executions,
)

ALL = (
    lambda_interpreter,
    lambda_archives,
    lambda_logs,
    lambda_client_context,
    lambda_errors,
    stopped_executions,
    state_machine_timeout,
    distributed_map,
    cloudformation_types,
    cloudformation_properties,
    secret_references,
    secure_transport,
    managed_key,
    log_filters,
    log_metrics,
    log_subscriptions,
    metric_queries,
    alarm_states,
    alarm_actions,
    cloudformation_alarms,
    asynchronous_calls,
    event_targets,
    service_metrics,
)


def apply() -> None:
    for gap in ALL:
        gap.apply()
