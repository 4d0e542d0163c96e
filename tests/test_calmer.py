"""A calmer way to say a sentence: the parent's point and ask are kept, and nothing reads as if a machine had cut it."""

import itertools

import pytest

from triage.calmer import calmer, findings_of
from triage.config import Language
from triage.draft import TONES, Kind, Limits, Remark, Tones, own_spans, remarks
from triage.prompts import word_table
from triage.voice import lowered

CALM = Tones(0.0, dict.fromkeys(TONES, 0.0))


def of_calm(draft: str, *children: str) -> list[tuple[str, str]]:
    """(kind, instead) of what the rules alone find."""
    found = remarks(draft, [CALM] * len(own_spans(draft)), Limits(), children)
    return [(finding.kind, finding.instead) for finding in findings_of(found, draft, "en", children)]


# --- The ask ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("demand", "asked"),
    [
        ("I demand that you move her seat immediately", "move her seat?"),
        ("I insist that you change the grade by Monday", "change the grade by Monday?"),
        ("We require a copy of the report by Friday", "have a copy of the report by Friday?"),
        ("I want a copy of the incident report today", "have a copy of the incident report today?"),
        ("I want her moved to another class by Friday.", "for her to be moved to another class by Friday?"),
        ("I want Leo in a different group by Monday.", "for Leo to be in a different group by Monday?"),
        ("I demand the grade be changed.", "for the grade to be changed?"),
        ("We expect the IEP to be followed from now on.", "for the IEP to be followed from now on?"),
        ("My son needs to be allowed to retake it.", "for my son to be allowed to retake it?"),
        ("I need you to call me back today.", "call me back today?"),
        ("I insist on a meeting this week.", "have a meeting this week?"),
        ("I demand to see the video.", "for me to see the video?"),
        ("Ms. Holt, give Maya her recess back now!", "give Maya her recess back?"),
        ("Do not call on him again in front of everyone.", "not to call on him again in front of everyone?"),
        ("Stop giving my daughter extra worksheets.", "stop giving my daughter extra worksheets?"),
        ("Either you change the grade or we leave this school.", "change the grade?"),
    ],
)
def test_the_ask_is_kept(demand: str, asked: str) -> None:
    """What is demanded is asked for, with its day."""
    assert (
        calmer(demand, "demand", "en") == f"Would it be possible {'to ' * (asked[:4] not in ('for ', 'not '))}{asked}"
    )


@pytest.mark.parametrize(
    ("sentence", "kind", "language", "instead"),
    [
        ("I want to know why she was left alone.", "demand", "en", "Could you tell me why she was left alone?"),
        (
            "This needs to stop today.",
            "demand",
            "en",
            "I would like this to stop today. How could we get there together?",
        ),
        (
            "Move her now and I want an answer by Friday.",
            "demand",
            "en",
            "Would it be possible to move her? Would it be possible to have an answer by Friday?",
        ),
        (
            "If you don't give him his extra time by Thursday, I am calling a lawyer.",
            "threat",
            "en",
            "Would it be possible to give him his extra time by Thursday? "
            "If we get stuck, I would like to ask somebody to join us.",
        ),
        (
            "Unless the grade is changed by Monday I will file a complaint.",
            "threat",
            "en",
            "Would it be possible for the grade to be changed by Monday? "
            "If we get stuck, I would like to ask somebody to join us.",
        ),
        (
            "Restore his points or the whole board gets this thread.",
            "demand",
            "en",
            "Would it be possible to restore his points?",
        ),
        ("Take him off the chart, I'm not asking.", "demand", "en", "Would it be possible to take him off the chart?"),
        ("I need you to stop calling on her.", "demand", "en", "Would it be possible to stop calling on her?"),
        ("Arréglelo, o hablo con la directora.", "demand", "es", "¿Sería posible que lo arregle?"),
        ("Deme el nombre de su jefe, y punto.", "demand", "es", "¿Sería posible que me dé el nombre de su jefe?"),
        ("Quiero una explicación y la quiero hoy.", "demand", "es", "¿Sería posible tener una explicación hoy?"),
        (
            "Si no lo arreglan, voy con el consulado.",
            "threat",
            "es",
            "¿Me puede decir si lo arreglan? Si nos atoramos, me gustaría pedir ayuda a otra persona.",
        ),
        ("Exijo que la cambie de lugar ya.", "demand", "es", "¿Sería posible que la cambie de lugar?"),
        ("Insistimos en que cambie la nota.", "demand", "es", "¿Sería posible que cambie la nota?"),
        ("Quiero una copia del reporte hoy.", "demand", "es", "¿Sería posible tener una copia del reporte hoy?"),
        ("Exijo hablar con la directora mañana.", "demand", "es", "¿Sería posible hablar con la directora mañana?"),
        ("Quiero saber por qué la sentaron sola.", "demand", "es", "¿Me podría decir por qué la sentaron sola?"),
        (
            "Explíqueme por qué no me avisaron.",
            "demand",
            "es",
            "¿Sería posible que me explique por qué no me avisaron?",
        ),
        (
            "Envíeme el reporte antes del viernes.",
            "demand",
            "es",
            "¿Sería posible que me envíe el reporte antes del viernes?",
        ),
        ("Esto tiene que parar hoy.", "demand", "es", "Me gustaría que esto pare hoy. ¿Cómo lo logramos juntos?"),
    ],
)
def test_the_ask_is_kept_in_other_forms(sentence: str, kind: Kind, language: Language, instead: str) -> None:
    """Questions, what must stop, two asks in one, what a threat wanted, and Spanish."""
    assert calmer(sentence, kind, language) == instead


@pytest.mark.parametrize(
    ("sentence", "language", "instead"),
    [
        ("I expect more from you.", "en", "Would it be possible, by ____, to look together at what happened?"),
        ("I expect better by Friday.", "en", "Would it be possible, by Friday, to look together at what happened?"),
        (
            "You must stop this grading by Friday.",
            "en",
            "Would it be possible, by Friday, to look together at how this grade came about?",
        ),
        ("Espero más de usted.", "es", "¿Sería posible, a más tardar el ____, ver juntos lo que pasó?"),
        ("Espero más de usted antes del viernes.", "es", "¿Sería posible, antes del viernes, ver juntos lo que pasó?"),
    ],
)
def test_where_no_words_can_be_kept_the_day_is(sentence: str, language: Language, instead: str) -> None:
    """The sentence for the kind has the day that was named, and a blank only where none was."""
    assert calmer(sentence, "demand", language) == instead


@pytest.mark.parametrize(
    "sentence",
    [
        "You must learn some respect.",
        "I want that teacher fired.",
        "I demand the truth.",
        "Get rid of that thief.",
        "Do your job.",
    ],
)
def test_what_is_no_fair_ask_is_not_repeated(sentence: str) -> None:
    """A change of heart, a punishment, a charge in the dress of a wish."""
    assert "look together" in calmer(sentence, "demand", "en")


# --- What it is about ------------------------------------------------------------------------------------

USUAL = {
    "level": ("Her level of trust is gone.", "He reads on a whole other level of joy."),
    "set": ("You set him up.", "Her mind is set on leaving."),
    "track": ("I have lost track of the days.", "We are on the wrong track here."),
    "play": ("You play favorites.", "They play together so badly."),
    "game": ("This is not a game.", "I am done with the blame game."),
    "team": ("We are supposed to be a team.", "You are no team player."),
    "bench": ("You never park on that bench.", "We waited on a park bench."),
    "practice": ("In practice nothing changes.", "Your practice is to say no."),
    "cast": ("You cast doubt on all he says.", "His arm is in a cast."),
    "band": ("You took her hair band.", "She cut herself on a rubber band."),
    "clip": ("You showed a clip on the website.", "He swallowed a paper clip."),
    "table": ("It is on the table.", "You do not know the times table."),
    "corner": ("Summer is around the corner.", "You cut corners."),
    "marks": ("She had red marks on her arm.", "Mark my words."),
    "grade": ("He is in third grade.", "A first grader knows better."),
    "failed": ("You failed to tell us.", "This school has failed my son."),
    "zero": ("There is zero communication.", "You show zero respect."),
    "late": ("It is too late for that.", "His late grandfather gave it to him."),
    "final": ("That is your final word.", "This is my final warning."),
    "test": ("You test my patience.", "It is a test of our patience."),
    "wet": ("Her shoes were wet from the rain.", "The floor was wet."),
    "accident": ("It was a car accident.", "You did it by accident."),
    "cell": ("Her model of a plant cell fell apart.", "You drew the cell wall."),
    "phone": ("I gave you my phone number.", "You hung up the phone."),
    "device": ("It is a literary device.", "He was left to his own devices."),
    "lost": ("I have lost all trust in this school.", "She lost her tooth and you did nothing."),
    "missing": ("You are missing the point.", "He is missing out on everything."),
    "shoes": ("Put yourself in my shoes.", "She wore new shoes."),
    "sick": ("I am sick of this.", "It makes me sick."),
    "trip": ("You are on a power trip.", "Spare me the guilt trip."),
    "shame": ("What a shame.", "Shame on you."),
    "bit": ("It was a bit much.", "You are a little bit rude."),
    "bulletin": ("It was on the bulletin board.", "You read bullet points."),
    "shampoo": ("She smelled of shampoo.", "You had the shampoo bottle."),
    "hurt": ("You hurt her feelings.", "It hurts to read that."),
    "copied": ("You copied me in.", "Nobody copied us."),
    "seat": ("Take a seat and think.", "That does not sit well with us."),
    "plan": ("Your plan was to leave.", "What is the plan?"),
}
USUAL_SPANISH = {
    "trabajo": ("Haga su trabajo.", "Yo estaba en el trabajo."),
    "parte": ("De mi parte no hay más.", "La mayor parte no sirve."),
    "sentir": ("La hizo sentir mal.", "Lo sentimos mucho."),
    "llamar": ("Se llama Maya y usted no lo sabe.", "Le llamó la atención."),
    "nota": ("Se nota que no le importa.", "Mandó una nota a casa."),
    "pegar": ("El pegamento se acabó.", "Perdió sus pegatinas."),
    "acostar": ("Ella se va a acostar a las nueve.", "Él no acostumbra eso."),
    "molestar": ("Estoy muy molesta.", "Me molesta que mienta."),
    "lugar": ("En lugar de ayudar, se fue.", "La escuela es un lugar seguro."),
    "salida": ("No hay salida.", "Buscamos otra salida."),
    "teléfono": ("Le di mi teléfono.", "Lo dije por teléfono."),
    "vergüenza": ("Qué vergüenza.", "Debería darle vergüenza."),
    "responder": ("Usted es responsable.", "Es su responsabilidad."),
    "película": ("Vio una película.", "Fue de golpe."),
    "punto": ("Ese es su punto de vista.", "Hay cero comunicación."),
}


def about(sentence: str, language: Language) -> str:
    """What the sentence is taken to be about."""
    before, after = str(word_table(language, "calmer")["instead"]["assumption"]).split("{topic}")
    said = calmer(sentence, "assumption", language)
    assert said.startswith(before)
    return said.removeprefix(before).removesuffix(after)


@pytest.mark.parametrize("sentence", list(itertools.chain(*USUAL.values())))
def test_a_word_in_another_sense_is_no_topic(sentence: str) -> None:
    """What merely looks like a topic is passed over."""
    assert about(sentence, "en") == "what happened"


@pytest.mark.parametrize("sentence", list(itertools.chain(*USUAL_SPANISH.values())))
def test_a_word_in_another_sense_is_no_topic_in_spanish(sentence: str) -> None:
    """The same there."""
    assert about(sentence, "es") == "lo que pasó"


@pytest.mark.parametrize(
    ("sentence", "topic"),
    [
        ("You ignore the plan.", "how the plan is carried out in class"),
        ("Someone stole his jacket and you shrug.", "what became of the things that are missing"),
        ("His glasses are missing again.", "what became of the things that are missing"),
        ("You marked her late.", "how attendance was noted"),
        ("You took his cell phone.", "what happened with the device"),
        ("She wet herself and you laughed.", "how bathroom breaks are handled"),
        ("You moved his clip down.", "what led to this consequence"),
        ("You put her in the bottom set.", "how the groups are made"),
        ("He was cut from the team.", "how the choice was made"),
        ("She got no part in the play.", "how the choice was made"),
        ("He was benched for the soccer game.", "how the choice was made"),
        ("He failed his math class.", "how this grade came about"),
        ("He gets pushed every day.", "what happened between the children and what would help now"),
        ("You never answer my emails.", "how best to reach each other"),
        ("She bombed the final exam.", "how the test went and what can be done now"),
    ],
)
def test_a_topic_is_known(sentence: str, topic: str) -> None:
    """Passing over the false ones leaves the true."""
    assert about(sentence, "en") == topic


def test_spanish_is_contracted() -> None:
    """No "de el", no "a el", whatever the topic and the kind; the pronoun and a name stay."""
    table = word_table("es", "calmer")
    assert calmer("Qué maravilla, otra tarea imposible.", "sarcasm", "es").endswith(
        "contar más del trabajo y lo que se espera?"
    )
    for kind, row in itertools.product(table["instead"], ("la tarea", "los niños")):
        said = calmer(f"Usted nunca revisa {row}.", kind, "es")
        assert " de el " not in said
        assert " a el " not in said
    assert calmer("Exijo que le den a él su tarea de El Salvador.", "demand", "es") == (
        "¿Sería posible que le den a él su tarea de El Salvador?"
    )


# --- Other children --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "others", "language", "instead"),
    [
        (
            "My son was hit by Ethan on the bus yesterday",
            {"Ethan"},
            "en",
            "My son was hit by another child on the bus yesterday.",
        ),
        (
            "Ethan Miller hit my son, and then Ethan Miller laughed.",
            {"Ethan"},
            "en",
            "Another child hit my son, and then the other child laughed.",
        ),
        ("A boy named Jaden pushed her on Tuesday.", {"Jaden"}, "en", "Another boy pushed her on Tuesday."),
        ("Ethan and Jaden kicked my son.", {"Ethan", "Jaden"}, "en", "Two other children kicked my son."),
        (
            "It was Ethan's bag that he was hit with.",
            {"Ethan"},
            "en",
            "It was another child's bag that he was hit with.",
        ),
        (
            "Ethan keeps hitting my daughter and you do nothing.",
            {"Ethan"},
            "en",
            "Another child keeps hitting my daughter.",
        ),
        (
            "A mi hijo lo golpeó Mateo en el recreo ayer.",
            {"Mateo"},
            "es",
            "A mi hijo lo golpeó otro niño en el recreo ayer.",
        ),
        ("A mi hija la empujó una niña llamada Camila ayer.", {"Camila"}, "es", "A mi hija la empujó otra niña ayer."),
        ("Sofía le pegó a mi hija el lunes.", {"Sofía"}, "es", "Otra niña le pegó a mi hija el lunes."),
    ],
)
def test_a_report_keeps_all_but_the_name(sentence: str, others: set[str], language: Language, instead: str) -> None:
    """What was done, to whom, where and when stays; who else's child it was does not."""
    assert calmer(sentence, "sensitive", language, others=others) == instead


def test_gossip_is_not_repeated() -> None:
    """What is said of a child or a family beyond what was done has no calmer form but a question."""
    for sentence in (
        "Ethan is a bully and hit my son.",
        "Ethan hit my son because his parents are getting divorced.",
        "Everybody knows about Ethan.",
    ):
        assert calmer(sentence, "sensitive", "en", others={"Ethan"}).startswith("I only know our side of it.")


def test_a_report_is_found_and_told_without_the_name() -> None:
    """By the names that the configuration or the draft gives, in either order of words."""
    assert of_calm("My son was hit by Ethan on the bus yesterday.", "Leo") == [
        ("sensitive", "My son was hit by another child on the bus yesterday.")
    ]
    assert of_calm("A mi hijo lo golpeó Mateo en el recreo ayer.", "Leo") == [
        ("sensitive", "A mi hijo lo golpeó otro niño en el recreo ayer.")
    ]


def test_a_teacher_and_the_own_child_keep_their_names() -> None:
    """Neither is another child, though no configuration says whose is whose."""
    draft = "Ms. Ward pushed my son on Monday."
    (finding,) = findings_of(
        remarks(draft, [Tones(0.9, {**CALM.tones, "sensitive": 0.9})], Limits()), draft, "en", ("Leo",)
    )
    assert "another child" not in finding.instead


# --- A voice let down ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loud", "quiet"),
    [
        ("I AM SO ANGRY!!!", "I am so angry."),
        ("THIS IS NOT OK!!!", "This is not OK."),
        ("¡¡¡ESTO NO PUEDE SER!!!", "Esto no puede ser."),
        ("¿¿POR QUÉ??", "¿Por qué?"),
        ("TELL US BY FRIDAY, MR. HOLT, OR ELSE!!", "Tell us by Friday, Mr. Holt, or else."),
        ("WHY WAS MAYA LEFT ALONE???", "Why was Maya left alone?"),
        ("HER IEP SAYS SO!!", "Her IEP says so."),
        ("I'M DONE!!", "I'm done."),
    ],
)
def test_words_stay_words_and_names_stay_names(loud: str, quiet: str) -> None:
    """No "I AM so angry", no "maya", no mark that opens and does not close."""
    assert lowered(loud, {"maya"}) == quiet


def test_a_lone_spanish_sentence_is_answered_in_spanish() -> None:
    """Though the family's language is another, and it holds none of the small words that tell languages apart."""
    text = "Usted nunca me contesta."
    (found,) = findings_of([Remark(0, len(text), text, "absolute")], text, "en")
    assert found.instead.startswith("Esto ha pasado")
