"""Chats from the command line: one question, a run read on, or a conversation."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

from trunkline.cli.client import Client
from trunkline.cli.failures import ExitCode, Failure, show, wrong_usage
from trunkline.cli.output import note
from trunkline.cli.question import Question, read_text
from trunkline.cli.reading import Reading
from trunkline.cli.screen import JsonScreen, PatientScreen, Screen, print_line
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

_PROMPT: Final = "> "


class Conversation:
    """Chats of one command.

    Args:
        client: of the caller.
        question: what every request says.
        as_json: print events as JSON.
        stream: show the answer as it comes; else when it is whole.
    """

    def __init__(
        self, client: Client, question: Question, *, as_json: bool, stream: bool = True
    ) -> None:
        self._client = client
        self._question = question
        self._as_json = as_json
        self._stream = stream

    def ask_once(self, text: str | None) -> None:
        """Ask one question and show its answer.

        Args:
            text: None: it is read from standard input.

        Raises:
            Failure: there is no whole answer.
        """
        if text is not None and not text.strip():
            raise wrong_usage("There is nothing to say.", "Give a text that is not empty.")
        request = self._question.request()
        self._add_user(request, read_text() if text is None else text)
        self._answer(request)

    def resume(self, run_id: str, after: int) -> None:
        """Show the rest of a run.

        Raises:
            Failure: it cannot be read, or has no whole answer.
        """
        self._watch(Reading(self._client), resume=(run_id, after))

    def talk(self) -> None:
        """Ask and answer in turns until Ctrl-D.

        Raises:
            Failure: the question's files cannot be read.
        """
        request = self._question.request()
        attachments = self._question.attachments()
        note("Ctrl-C stops an answer, Ctrl-D ends the conversation.")
        while True:
            try:
                line = _read_line(_PROMPT)
            except EOFError:
                note("")
                return
            except KeyboardInterrupt:
                note("")
                continue
            if not line.strip():
                continue
            before = len(request.messages)
            message = request.messages.add(role=message_pb2.ROLE_USER)
            message.content.extend(attachments)
            message.content.add(text=line)
            try:
                self._take_turns(request)
            except EOFError:
                note("")
                return
            except Failure as failure:
                # What got no answer is forgotten, so that the next question stands alone.
                del request.messages[before:]
                if failure.exit_code is ExitCode.INTERRUPTED:
                    note(failure.what)
                else:
                    show(failure, as_json=False)
            except KeyboardInterrupt:
                del request.messages[before:]
                note("")
            else:
                attachments = []

    def _take_turns(self, request: chat_pb2.ChatRequest) -> None:
        """Get the answer; while it calls tools, ask the person for their results."""
        while True:
            completed = self._answer(request)
            if not completed.HasField("message"):
                raise Failure(
                    "The answer is over 1 MiB, which is too much to go on from.",
                    "It is left out of the conversation; ask for less.",
                )
            request.messages.append(completed.message)
            calls = [
                part.tool_call
                for part in completed.message.content
                if part.WhichOneof("kind") == "tool_call"
            ]
            if not calls:
                return
            results = request.messages.add(role=message_pb2.ROLE_TOOL)
            for call in calls:
                result = results.content.add().tool_result
                result.call_id = call.id
                text = _read_line(f"result of {call.name}> ")
                if text:
                    result.content.add(text=text)

    def _add_user(self, request: chat_pb2.ChatRequest, text: str) -> None:
        """Add what the user says to a request."""
        message = request.messages.add(role=message_pb2.ROLE_USER)
        message.content.extend(self._question.attachments())
        message.content.add(text=text)

    def _answer(self, request: chat_pb2.ChatRequest) -> result_pb2.Completed:
        """Get the answer to a request and show it.

        Raises:
            Failure: there is no whole answer.
        """
        reading = Reading(self._client)
        if self._stream:
            return self._watch(reading, request)
        response = reading.ask(request)
        if self._as_json:
            print_line(response)
        else:
            screen = Screen()
            screen.show_failures(response.completed)
            screen.show_message(response.completed.message)
            screen.end(response.completed, response.run_id)
        return response.completed

    def _watch(
        self,
        reading: Reading,
        request: chat_pb2.ChatRequest | None = None,
        *,
        resume: tuple[str, int] = ("", 0),
    ) -> result_pb2.Completed:
        """Show a run's events as they come.

        Raises:
            Failure: it has no whole answer.
        """
        screen = self._open_screen()
        events = reading.start(request) if request is not None else reading.resume(*resume)
        completed: result_pb2.Completed | None = None
        try:
            with contextlib.closing(events):
                for event in events:
                    screen.show(event)
                    if event.WhichOneof("kind") == "completed":
                        completed = event.completed
        finally:
            screen.close()
        if completed is not None:
            screen.end(completed, reading.run_id)
            return completed
        if resume[1] and resume[1] == reading.last_sequence:
            note(f"The run {reading.run_id} ended with event {reading.last_sequence}.")
            return result_pb2.Completed()
        raise Failure(
            f"The run {reading.run_id} ended without its last event.",
            "Ask again; the server's log may tell more.",
            reason="INTERNAL",
            code="INTERNAL",
        )

    def _open_screen(self) -> Screen:
        """Return where a run is shown."""
        if self._as_json:
            return JsonScreen()
        # Any answer may begin anew. What was printed can be struck out on a terminal only.
        if not sys.stdout.isatty():
            return PatientScreen()
        return Screen()


def _read_line(prompt: str) -> str:
    """Read a line from the person at the terminal, who may edit it where Python can."""
    if not sys.stdout.isatty():
        # The prompt is not part of the answer, which goes elsewhere.
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return input()
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - `input` edits lines by it, once it is imported
    return input(prompt)
