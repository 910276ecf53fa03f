"""What gallery holds of people: their images, in rows and in objects."""

from libs.common.consents import SWITCHBOARDS
from libs.common.exporting.parts import EXPORT_PARTS
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
from libs.common.privacy.rows import HELD
from libs.common.suspensions import SUSPENSIONS
from services.gallery.models import Image, ImageFacts, Upload
from services.gallery.objects import BUCKET
from services.gallery.repository import SHOWN

IMAGES = CollectionHolding(Image)
OBJECTS = ObjectsHolding(BUCKET, "image-objects", described_by=IMAGES)

THERE = {"$or": [SHOWN, {"deletion_waits": True, HELD: {"$ne": None}}]}
"""Which images can be held: of one that is being deleted, nothing is promised, unless a hold keeps it already."""

HOLDINGS = Holdings(
    "gallery",
    collections=(
        IMAGES,
        CollectionHolding(ImageFacts),
        CollectionHolding(Upload),
        SWITCHBOARDS,
        SUSPENSIONS,
        EXPORT_PARTS,
        *OF_THE_BUS,
    ),
    objects=(OBJECTS,),
    items=(Item(Image, "an image", where=THERE, objects=(ItemObjects(OBJECTS),)),),
    processors=(ProcessorHolding(OBJECT_STORAGE, receives=(OBJECTS.name,)),),
)
