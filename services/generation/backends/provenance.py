"""What a generated file says about itself, to people and to machines."""

from typing import Final

# Made by a formula, from no trained model; a model's pictures are `trainedAlgorithmicMedia`.
SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"

_PACKET: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreatorTool="Pixera procedural renderer {version}"
 Iptc4xmpExt:DigitalSourceType="{source}">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Synthetic image, made by Pixera procedural renderer {version};
 no photograph and no trained model went into it.</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def xmp(version: str) -> bytes:
    """Return the XMP packet that marks a file as synthetic, and names no person, prompt or seed.

    Source:   IPTC Photo Metadata, Digital Source Type; Regulation (EU) 2024/1689, article 50(2).
    """
    return _PACKET.format(version=version, source=SOURCE_TYPE).encode()
