"""The kinds of objects of these APIs, and the handlers and routes that all kinds share."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, NamedTuple, Protocol, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from prober.web.dialects.lbaas.listing import Filter
from prober.web.dialects.lbaas.project_view import ProjectView, project_view_of
from prober.web.server.json_answer import Json

T = TypeVar("T")
Ids = Mapping[str, str]
"""The ids in the path of a request, by name."""


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """One kind of object of an API.

    Attributes:
        noun: The member of an answer that contains one object; with an `s`, a list of them.
        path: The path of the list.
        every: Returns all objects that a request may see.
        one: Returns the object that a path names, or raises `Refused`; None: there are no such
            paths.
        show: Returns an object as this API shows it.
        filters: What a list can be filtered by.
        create, update: Edit the object in a request's body, and return the result.
        delete: Deletes the object that a path names.
    """

    noun: str
    path: str
    every: Callable[[ProjectView, Ids], Iterable[T]]
    one: Callable[[ProjectView, Ids], T] | None
    show: Callable[[ProjectView, T], Awaitable[Json]]
    filters: Sequence[Filter]
    create: Callable[[web.Request], Awaitable[T]] | None = None
    update: Callable[[web.Request], Awaitable[T]] | None = None
    delete: Callable[[web.Request], Awaitable[None]] | None = None


class AnswerForm(Protocol):
    """The form in which an API answers."""

    def one(self, request: web.Request, noun: str, shown: Json, status: int) -> web.Response:
        """Answer with one object."""

    async def many(
        self, request: web.Request, noun: str, objects: Iterable[Json], filters: Sequence[Filter]
    ) -> web.Response:
        """Answer with a page of a list."""


class ResourceRoute(NamedTuple):
    """A method and a path below the prefix of an API, and its handler."""

    method: str
    path: str
    handler: Handler


def routes_of(resource: Resource[T], form: AnswerForm) -> Iterator[ResourceRoute]:
    """Yield the routes of a kind of object: list, show, and those of create, update and delete."""

    async def get_all(request: web.Request) -> web.Response:
        visible, found = project_view_of(request), []
        for each in resource.every(visible, request.match_info):
            found.append(await resource.show(visible, each))
            await visible.pace.pause()
        return await form.many(request, f"{resource.noun}s", found, resource.filters)

    yield ResourceRoute("GET", resource.path, get_all)
    if find := resource.one:

        async def get_one(request: web.Request) -> web.Response:
            found = find(project_view_of(request), request.match_info)
            return await _answer(request, resource, form, found)

        yield ResourceRoute("GET", f"{resource.path}/{{id}}", get_one)
    yield from _editing_routes(resource, form)


def _editing_routes(resource: Resource[T], form: AnswerForm) -> Iterator[ResourceRoute]:
    one = f"{resource.path}/{{id}}"
    if create := resource.create:

        async def post(request: web.Request) -> web.Response:
            made = await create(request)
            return await _answer(request, resource, form, made, HTTPStatus.CREATED)

        yield ResourceRoute("POST", resource.path, post)
    if update := resource.update:

        async def put(request: web.Request) -> web.Response:
            return await _answer(request, resource, form, await update(request))

        yield ResourceRoute("PUT", one, put)
    if remove := resource.delete:

        async def delete(request: web.Request) -> web.Response:
            await remove(request)
            return web.Response(status=HTTPStatus.NO_CONTENT)

        yield ResourceRoute("DELETE", one, delete)


async def _answer(
    request: web.Request,
    resource: Resource[T],
    form: AnswerForm,
    found: T,
    status: int = HTTPStatus.OK,
) -> web.Response:
    shown = await resource.show(project_view_of(request), found)
    return form.one(request, resource.noun, shown, status)
