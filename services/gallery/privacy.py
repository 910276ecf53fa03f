"""What gallery holds of people: their images, in rows and in objects."""

from libs.common.consents import SWITCHBOARDS
from libs.common.privacy.holdings import (
    OF_THE_BUS,
    CollectionHolding,
    Holdings,
    ObjectsHolding,
    ProcessorHolding,
)
from libs.common.privacy.processors import OBJECT_STORAGE
from libs.common.suspensions import SUSPENSIONS
from services.gallery.models import Image, ImageFacts, Upload
from services.gallery.objects import BUCKET

OBJECTS = ObjectsHolding(BUCKET, "image-objects")

HOLDINGS = Holdings(
    "gallery",
    collections=(
        CollectionHolding(Image),
        CollectionHolding(ImageFacts),
        CollectionHolding(Upload),
        SWITCHBOARDS,
        SUSPENSIONS,
        *OF_THE_BUS,
    ),
    objects=(OBJECTS,),
    processors=(ProcessorHolding(OBJECT_STORAGE, receives=(OBJECTS.name,)),),
)
