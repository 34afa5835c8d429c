//! All sources together, in .NET's order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Configuration, Disk, Entry, Files, Mistake, Warning, arguments, environment, json};

/// Everything that a configuration is read from.
#[derive(Debug)]
pub struct Sources {
    /// The command line without the name of the program and without subcommands.
    pub arguments: Vec<String>,
    /// The environment, by name.
    pub variables: Vec<(String, String)>,
    /// The files.
    pub files: Box<dyn Files>,
}

/// The merged configuration and what was noticed while it was merged.
#[derive(Debug)]
pub struct Chain {
    /// The values.
    pub configuration: Configuration,
    /// The name of the environment: `Development`, `Staging`, `Production` or another.
    pub environment: String,
    /// What could not be read at all.
    pub mistakes: Vec<Mistake>,
    /// What is strange.
    pub warnings: Vec<Warning>,
}

/// What one source gives.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) entries: Vec<Entry>,
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) warnings: Vec<Warning>,
}

impl Sources {
    /// The environment and the disk of this process; the caller gives the arguments, for it knows its subcommands.
    ///
    /// What is not Unicode in the environment is read with replacement characters, which no key and no value expects.
    pub fn of_process(arguments: Vec<String>) -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        Self {
            arguments,
            variables,
            files: Box::new(Disk),
        }
    }

    /// Nothing at all, to be filled by a test.
    pub fn for_test() -> TestSources {
        TestSources::default()
    }

    /// Reads everything, with `environment` for the case that nobody names one.
    ///
    /// The environment's name and the directory of the files (`contentRoot`, else the working directory) are taken from
    /// the first three sources of the chain, as in .NET: `DOTNET_ENVIRONMENT` overrules `ASPNETCORE_ENVIRONMENT`, and
    /// `--environment` both.
    pub fn load(&self, environment: &str) -> Chain {
        let mut chain = Chain {
            configuration: Configuration::default(),
            environment: environment.to_owned(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
        };
        let arguments = arguments::layer(&self.arguments);
        let arguments_again = arguments.entries.clone();
        chain.lay(environment::layer(&self.variables, "ASPNETCORE_"));
        chain.lay(environment::layer(&self.variables, "DOTNET_"));
        chain.lay(arguments);
        if let Some(name) = chain.configuration.text("environment") {
            chain.environment = name.to_owned();
        }
        let directory = PathBuf::from(chain.configuration.text("contentRoot").unwrap_or_default());
        let files = [
            "appsettings.json".to_owned(),
            format!("appsettings.{}.json", chain.environment),
        ];
        for file in files {
            chain.lay(self.file(&directory.join(file)));
        }
        chain.lay(environment::layer(&self.variables, ""));
        chain.configuration.add(arguments_again);
        chain
    }

    fn file(&self, path: &Path) -> Layer {
        let shown = path.display().to_string();
        match self.files.read(path) {
            Ok(Some(text)) => json::layer(&shown, &text),
            Ok(None) => Layer::default(),
            Err(reason) => {
                let mistake =
                    Mistake::new(&shown, format!("a file that can be read, but {reason}"));
                Layer {
                    mistakes: vec![mistake],
                    ..Layer::default()
                }
            }
        }
    }
}

impl Chain {
    fn lay(&mut self, layer: Layer) {
        self.configuration.add(layer.entries);
        self.mistakes.extend(layer.mistakes);
        self.warnings.extend(layer.warnings);
    }
}

/// Sources that are made up, line by line.
#[derive(Clone, Debug, Default)]
pub struct TestSources {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    files: BTreeMap<PathBuf, String>,
}

impl TestSources {
    /// Adds an argument of the command line.
    pub fn with_argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Adds an environment variable.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a file.
    pub fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }

    /// The sources themselves.
    pub fn build(self) -> Sources {
        Sources {
            arguments: self.arguments,
            variables: self.variables,
            files: Box::new(self.files),
        }
    }

    /// As [`Sources::load`].
    pub fn load(self, environment: &str) -> Chain {
        self.build().load(environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every source gives the key under test its own name; the last `count` of them are there.
    fn winner(from: usize) -> String {
        let all = Sources::for_test();
        let layers: [fn(TestSources) -> TestSources; 5] = [
            |sources| sources.with_variable("ASPNETCORE_Some__Key", "aspnetcore"),
            |sources| sources.with_variable("DOTNET_Some__Key", "dotnet"),
            |sources| sources.with_file("appsettings.json", r#"{"Some": {"Key": "file"}}"#),
            |sources| {
                sources.with_file(
                    "appsettings.Test.json",
                    r#"{"some": {"key": "file of the environment"}}"#,
                )
            },
            |sources| sources.with_variable("SOME__KEY", "variable"),
        ];
        let chain = layers[..from]
            .iter()
            .fold(all, |sources, add| add(sources))
            .load("Test");
        chain
            .configuration
            .text("Some:Key")
            .unwrap_or_default()
            .to_owned()
    }

    #[test]
    fn the_process_has_an_environment() {
        let sources = Sources::of_process(vec!["--a=b".to_owned()]);
        let of_cargo = |(name, _): &(String, String)| name == "CARGO_MANIFEST_DIR";
        assert!(sources.variables.iter().any(of_cargo));
        assert_eq!(
            sources.load("Production").configuration.text("A"),
            Some("b")
        );
    }

    #[test]
    fn later_sources_win() {
        let expected = [
            "",
            "aspnetcore",
            "dotnet",
            "file",
            "file of the environment",
            "variable",
        ];
        for (count, expected) in expected.into_iter().enumerate() {
            assert_eq!(winner(count), expected);
        }
    }

    #[test]
    fn the_command_line_wins_over_all() {
        let chain = Sources::for_test()
            .with_variable("Some__Key", "variable")
            .with_file("appsettings.json", r#"{"Some": {"Key": "file"}}"#)
            .with_argument("--some:key=argument")
            .load("Test");
        assert_eq!(chain.configuration.text("Some:Key"), Some("argument"));
    }

    #[test]
    fn a_file_wins_over_a_prefixed_variable_only() {
        let sources =
            Sources::for_test().with_file("appsettings.json", r#"{"urls": "http://file"}"#);
        let chain = sources
            .clone()
            .with_variable("ASPNETCORE_URLS", "http://v")
            .load("Test");
        assert_eq!(chain.configuration.text("urls"), Some("http://file"));
        let chain = sources.with_variable("URLS", "http://v").load("Test");
        assert_eq!(chain.configuration.text("urls"), Some("http://v"));
    }

    #[test]
    fn one_element_of_an_array_can_be_replaced() {
        let chain = Sources::for_test()
            .with_file("appsettings.json", r#"{"L": ["a", "b", "c"]}"#)
            .with_variable("L__1", "B")
            .load("Test");
        let values = chain
            .configuration
            .children("L")
            .into_iter()
            .map(|index| chain.configuration.text(&format!("L:{index}")).unwrap());
        assert_eq!(values.collect::<Vec<_>>(), ["a", "B", "c"]);
    }

    #[test]
    fn the_environment_chooses_the_file() {
        let sources = Sources::for_test()
            .with_file("appsettings.Production.json", r#"{"A": "production"}"#)
            .with_file("appsettings.Staging.json", r#"{"A": "staging"}"#)
            .with_file("appsettings.Development.json", r#"{"A": "development"}"#);
        let a = |sources: TestSources| {
            sources
                .load("Production")
                .configuration
                .text("A")
                .map(str::to_owned)
                .unwrap()
        };
        assert_eq!(a(sources.clone()), "production");
        let sources = sources.with_variable("ASPNETCORE_ENVIRONMENT", "Staging");
        assert_eq!(a(sources.clone()), "staging");
        let sources = sources.with_variable("DOTNET_ENVIRONMENT", "Development");
        assert_eq!(a(sources.clone()), "development");
        assert_eq!(
            a(sources.clone().with_argument("--environment=Production")),
            "production"
        );
        assert_eq!(
            a(sources.with_variable("ENVIRONMENT", "Staging")),
            "development"
        );
    }

    #[test]
    fn the_content_root_chooses_the_directory() {
        let chain = Sources::for_test()
            .with_file("/app/appsettings.json", r#"{"A": "there"}"#)
            .with_file("appsettings.json", r#"{"A": "here"}"#)
            .with_variable("ASPNETCORE_CONTENTROOT", "/app")
            .load("Production");
        assert_eq!(chain.configuration.text("A"), Some("there"));
        let source = &chain.configuration.entry("A").unwrap().source;
        assert_eq!(source.to_string(), "/app/appsettings.json line 1");
    }

    #[test]
    fn what_a_source_cannot_say_does_not_hide_the_others() {
        let chain = Sources::for_test()
            .with_file("appsettings.json", "{")
            .with_file("appsettings.Production.json", "[]")
            .with_argument("-x=1")
            .with_variable("A", "1")
            .load("Production");
        assert_eq!(chain.mistakes.len(), 3, "{:?}", chain.mistakes);
        assert_eq!(chain.configuration.text("A"), Some("1"));
    }
}
