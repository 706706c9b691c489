"""Given names that are masked in comments: the most common ones in English and Arabic, our own list.

Most names are recognised by a capital letter inside a sentence, or by the words before them; this list is for names
without a capital, or at the beginning of a sentence. `AMBIGUOUS` names are also words, and masked only if written as
names.
"""

from __future__ import annotations

from retention_kit.metrics.comments.words import spelled

_ALWAYS = """
    aaron abdul abdullah abigail adam adrian ahmad ahmed aisha alan albert alex alexander alexandra ali alice alison
    amanda amelia amir amy andrea andrew angela anita ann anna anne anthony arthur ashley barbara ben benjamin beth
    betty beverly brandon brenda brian bruce bryan callum cameron camilla carl carlos carmen carol caroline catherine
    charles charlie charlotte chris christian christina christine christopher claire clare colin connor craig cynthia
    daniel danielle darren dave david deborah debra denise dennis derek diana diane donald donna dorothy doug douglas
    dylan edward eileen elaine elena eleanor elizabeth ella ellen emily emma eric erin ethan eva evelyn fatima fiona
    francis frank fred gareth gary gavin geoff george gerald gillian gordon graham greg gregory hamza hannah harriet
    harry hassan heather helen henry holly hugh hussain hussein ian ibrahim isaac isabella jacob jake james jamie jane
    janet janice jason jean jeff jeffrey jennifer jenny jeremy jerry jessica jim jimmy joan joanna joanne joe joel john
    johnny jonathan jordan jose joseph joshua joyce juan judith judy julia julian julie justin karen karim kate
    katherine kathleen kathryn katie keith kelly ken kenneth kerry kevin khalid kim kimberly kyle larry laura lauren
    laurence lawrence leah lee leila leon leonard leslie lewis liam linda lisa liz logan louis louise lucas lucy luke
    lynn maggie malcolm margaret maria marie marilyn mariam martha martin mary maryam mathew matthew maureen megan
    melanie melissa mia michael michelle miguel mike mohamed mohammad mohammed molly monica muhammad mustafa nancy
    naomi natalie natasha nathan neil nicholas nicola nicole nigel nina noah nora olga oliver olivia omar oscar owen
    pamela patricia patrick paul paula pauline peter phil philip philippa phillip rachel ralph raymond rebecca richard
    robert roberta robin roger ronald rosemary roy russell ruth ryan sally sam samantha samuel sandra sara sarah
    scott sean sharon shaun sheila shirley simon sophia sophie stacey stanley stefan stella stephanie stephen steve
    steven stuart susan suzanne sylvia tamara tariq teresa terry theresa thomas tim timothy tina toby todd tom tony
    tracey tracy trevor tyler valerie vanessa vera veronica vicky victoria vincent virginia walter wayne wendy
    william yasmin yousef youssef yusuf zachary zainab zoe
    محمد أحمد محمود عبدالله عبدالرحمن عبدالعزيز إبراهيم يوسف فاطمة عائشة خديجة زينب مريم سارة خالد عمر عثمان حسين حمزة
    مصطفى طارق ياسر فهد سلطان بندر تركي نورة ريم لينا هند منى ليلى سلمى دينا رنا نادية سعاد هدى أسماء ياسمين فيصل نواف
    بدر ماجد وليد زياد أنس بلال عمرو هشام شريف أيمن تامر إسلام
"""
_AMBIGUOUS = """
    amber angel april art august autumn bill bob carter chance chase cliff dawn dean drew faith frances gene ginger
    glen grace grant gene guy hope hunter iris ivy jack jasmine jay josh joy june lance lily mark mason may max melody
    miles nick olive pat pearl penny pierce price ray rich rob rose ruby ron rusty sandy skip sky summer sue taylor
    ted victor violet wade ward will willow winter
"""
ALWAYS = frozenset(map(spelled, _ALWAYS.split()))
AMBIGUOUS = frozenset(map(spelled, _AMBIGUOUS.split()))
