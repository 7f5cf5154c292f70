"""Tell from the name of a column whether its values are units, such as patients, categories, years or protected."""

import re
import unicodedata
from typing import Literal

NameKind = Literal["unit", "unit_number", "identifier", "category", "other"]

UNIT = re.compile(
    "account|animal|author|cardholder|case|chick|child|client|consumer|cow|customer|device|dog|donor|driver|employee|firm"
    "|guest|hh|household|individual|infant|learner|litter|machine|member|mother|mouse|participant|passenger|patient"
    "|person|pig|player|pupil|rat|respondent|rider|session|sheep|speaker|student|subj|subject|twin|user|vehicle|visitor"
    "|volunteer|voter|worker"
)
ABBREVIATED_UNIT = re.compile(
    r"(pat|subj?|cust|pers|usr|user|client|customer|patient|member|part|resp)_?(id|no|nr|num)"
)
CATEGORY = re.compile(
    "age|airport|area|brand|category|cat|city|class|cluster|colou?r|continent|count|country|county|course|currency|day"
    "|degree|department|dept|destination|diagnosis|district|edition|flavou?r|genre|genus|grade|group|hour|industry|job"
    "|kind|label|language|level|location|make|manufacturer|method|model|month|nation|neighbou?rhood|occupation|origin"
    "|place|position|postcode|price|product|quantity|quarter|race|rank|rating|region|score|season|sector|size|species"
    "|state|status|street|style|symbol|team|time|title|town|type|variety|weekday|week|year|zip|zipcode"
)
ID = re.compile("id|ids|uuid|guid")
NUMBER = re.compile("code|hash|key|name|nb|no|nr|num|number|ref")
COUNT = re.compile("n|num|nr|count|total|per|is|has|mean|avg|max|min")
YEAR = re.compile("year|yr|season")
BIRTH = re.compile(r"birth|born|(^|_)dob($|_)|geburt|naissance|nacimiento|deceased|(^|_)dod($|_)", re.IGNORECASE)
PROTECTED = re.compile(
    "sex|gender|ethnicity|ethnic|religion|nationality|citizenship|disability|disabled"
    "|geschlecht|konfession|nationalitat|staatsangehorigkeit|behinderung|ethnie"
    "|sexe|nationalite|sexo|genero|raza|etnia|edad|nacionalidad|discapacidad"
    "|sesso|religione|nazionalita|disabilita|idade|religiao|nacionalidade|deficiencia"
    "|geslacht|leeftijd|religie|nationaliteit|płec|wiek|пол|возраст|національність|стать"
    "|性别|性別|年龄|年齢|民族|宗教|国籍|성별|나이|종교|국적"
)
PERHAPS_PROTECTED = re.compile("age|race|alter|handicap|raca|razza|genere")  # of a person or of something else
OF_PERSON = re.compile(
    "applicant|at|band|bin|bracket|buyer|category|child|client|code|customer|donor|driver|employee|group|guest|head|in|member"
    "|mother|of|owner|participant|passenger|patient|person|player|pupil|range|respondent|student|subject|user|years|yrs"
)
LATER_EVENT = re.compile(
    r"updat|modif|chang|(^|_)(end|ended|due|last|stop|out|until)($|_)|finish|clos|resolv|complet|deliver|expir|return|"
    r"received|discharg|cancel|deadline|valid",
    re.IGNORECASE,
)


def words(name: str) -> list[str]:
    """Split a name into its words, in lower case."""
    spaced = re.sub(r"([a-z\d])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    return [word for word in re.split(r"[^a-z]+", spaced.lower()) if word]


def is_year_name(name: str) -> bool:
    """Whether a column holds years by its name; a birth year or a model year is a property."""
    return bool(YEAR.fullmatch(" ".join(words(name))))


def is_number_name(name: str) -> bool:
    """Whether a column holds identifiers by its name: schoolNR, order_no, distid."""
    last = words(name)[-1:]
    return bool(last) and bool(ID.fullmatch(last[0]) or NUMBER.fullmatch(last[0]) or last[0].endswith("id"))


def may_be_protected(name: str) -> bool:
    """Whether a column may tell a protected attribute, such as sex, age or religion, by its name in some language."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    spaced = re.sub(r"([a-z\d])([A-Z])", r"\1 \2", unicodedata.normalize("NFC", plain))
    parts = re.findall(r"[^\W\d_]+", spaced.lower())
    if any(PROTECTED.fullmatch(part) for part in parts):
        return True
    others = [part for part in parts if not PERHAPS_PROTECTED.fullmatch(part)]
    return len(others) < len(parts) and all(OF_PERSON.fullmatch(part) for part in others)


def name_kind(name: str) -> NameKind:
    """Return what the values of a column are by its name.

    A `unit` is a patient or a patient's number, a `unit_number` something of one, as a sick child or a number of users,
    and an `identifier` anything that has one.
    """
    parts = words(name)
    if not parts:
        return "other"
    if parts == ["id"] or ABBREVIATED_UNIT.fullmatch("_".join(parts)):
        return "unit"
    if UNIT.fullmatch(parts[-1]) and not COUNT.fullmatch(parts[0]):
        return "unit" if len(parts) == 1 else "unit_number"
    if len(parts) > 1 and UNIT.fullmatch(parts[-2]) and (ID.fullmatch(parts[-1]) or NUMBER.fullmatch(parts[-1])):
        return "unit"
    if any(CATEGORY.fullmatch(part) for part in parts):
        return "category"
    return "identifier" if ID.fullmatch(parts[-1]) else "other"
