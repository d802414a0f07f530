"""Reports name the callback that raised."""

from typing import Any

from reactor.transport.reports import report

from reactor import EventLoop


def test_the_report_names_the_users_function_and_what_is_known(loop: EventLoop) -> None:
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))

    def data_received() -> None:
        raise ValueError("no")

    try:
        data_received()
    except ValueError as exc:
        error = exc.with_traceback(exc.__traceback__ and exc.__traceback__.tb_next)
        report(loop, error, "transport", "protocol")
    assert contexts == [
        {
            "message": "exception in data_received",
            "exception": error,
            "transport": "transport",
            "protocol": "protocol",
        }
    ]
