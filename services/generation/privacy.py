"""What generation holds of people: the generation log, and images on their way to the gallery."""

from libs.common.exporting.parts import EXPORT_PARTS
from libs.common.privacy.annotations import MONTH, Personal
from libs.common.privacy.holdings import (
    OF_THE_BUS,
    CollectionHolding,
    Holdings,
    Item,
    ItemObjects,
    ObjectsHolding,
    ProcessorHolding,
)
from libs.common.privacy.processors import OBJECT_STORAGE
from libs.common.suspensions import SUSPENSIONS
from services.generation.models import Job, Turn
from services.generation.objects import BUCKET

OBJECTS = ObjectsHolding(BUCKET, "generated-images", Personal("user.content", retention=MONTH))
"""They go when the gallery has its copy. What it never fetched is no use after a month: the event is gone by then."""

HOLDINGS = Holdings(
    "generation",
    collections=(
        CollectionHolding(Job),
        CollectionHolding(Turn, subject="_id"),
        SUSPENSIONS,
        EXPORT_PARTS,
        *OF_THE_BUS,
    ),
    objects=(OBJECTS,),
    items=(Item(Job, "a generation", objects=(ItemObjects(OBJECTS),)),),
    processors=(ProcessorHolding(OBJECT_STORAGE, receives=(OBJECTS.name,)),),
)
