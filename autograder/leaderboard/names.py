"""Names for teams that would not be named: two words and a number, such as "brisk-otter-17".

They follow from the challenge's secret by HMAC: the same team has the same name on every board of a
challenge, and who does not hold the secret can't find out which team is behind a name, not even by trying
everybody in the class.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from autograder.outcome import GraderFault

LEAST_SECRET_BYTES = 16
_TRIES = 1_000  # of over a million names, so that even a board of half a million finds one for each

_ADJECTIVES = (
    "able agile amber ample apt arctic ardent autumn azure bold brave breezy bright brisk bronze calm "
    "candid careful cheery chilly civil clear clever cloudy coastal cobalt copper coral cosmic cosy "
    "crimson crisp curious dapper daring deft dewy eager early earnest easy ebony electric elegant "
    "emerald fabled fair faithful fancy fast fearless festive fine fleet fluent fond frank fresh frosty "
    "gallant gentle gifted glad gleaming golden graceful grand green handy happy hardy hazel hearty "
    "helpful honest hopeful humble ideal indigo ivory jade jaunty jolly jovial joyful keen kind lively "
    "lofty loyal lucid lucky lunar mellow merry mighty mild mindful mint misty modest neat nimble noble "
    "novel olive opal patient peaceful placid playful plucky polar polite prime proud quick quiet rapid "
    "ready regal rosy royal ruby rustic sage sandy scarlet serene sharp shiny silent silver sincere smart "
    "snowy solar solid spry stable starry steady stellar sturdy sunny sure swift tidy tranquil trusty "
    "upbeat valiant velvet vivid warm wise witty zesty"
).split()
_ANIMALS = (
    "albatross alpaca antelope badger barracuda bat beaver bee beetle bison bittern bobcat buffalo "
    "bunting butterfly buzzard camel canary caribou cheetah chickadee chinchilla chipmunk cicada cockatoo "
    "condor cormorant cougar coyote crab crane cricket curlew dingo dolphin dormouse dove dragonfly duck "
    "eagle egret eland elephant elk ermine falcon ferret finch firefly flamingo fox gazelle gecko gibbon "
    "giraffe goldfinch gopher goose grouse gull hamster hare hawk hedgehog heron hornbill ibex ibis "
    "iguana impala jackdaw jaguar jay kestrel kingfisher kite kiwi koala kudu lark lemming lemur leopard "
    "linnet lion lizard llama lobster loon lynx macaw magpie manatee marmot marten meerkat mole mongoose "
    "moose moth narwhal newt nightingale ocelot octopus okapi oriole osprey otter owl oyster panda "
    "panther parrot partridge peacock pelican penguin pheasant pigeon pika plover porcupine porpoise "
    "puffin puma quail rabbit raccoon raven reindeer robin salamander salmon sandpiper seahorse seal "
    "shearwater skylark sparrow squirrel starling stork sturgeon swallow swan tapir tern thrush toucan "
    "trout turtle viper vole walrus warbler weasel whale wombat woodpecker wren yak zebra"
).split()


def pseudonym(team: str, secret: bytes, attempt: int = 0) -> str:
    """The name that stands for ``team``; another ``attempt`` is another name."""
    if len(secret) < LEAST_SECRET_BYTES:
        raise GraderFault(
            f"The challenge's secret has {len(secret)} bytes: pseudonyms made with it could be guessed.",
            remedy="Make the challenge anew with `run_autograder challenge`; its secret has 32 bytes.",
        )
    message = b"pseudonym\0%d\0" % attempt + team.encode("utf-8", "surrogatepass")
    drawn = int.from_bytes(hmac.digest(secret, message, hashlib.sha256))
    drawn, adjective = divmod(drawn, len(_ADJECTIVES))
    drawn, animal = divmod(drawn, len(_ANIMALS))
    return f"{_ADJECTIVES[adjective]}-{_ANIMALS[animal]}-{10 + drawn % 90}"


def pseudonyms(teams: Iterable[str], secret: bytes) -> Mapping[str, str]:
    """A name of its own for each of ``teams``.

    Where two would have the same, the later of them in ``teams`` gets another. Give the teams in the order in
    which they came, as ``Store.teams`` does: then a new one never takes a name away.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for team in dict.fromkeys(teams):
        tries = (pseudonym(team, secret, attempt) for attempt in range(_TRIES))
        names[team] = next(name for name in tries if name not in taken)
        taken.add(names[team])
    return names
