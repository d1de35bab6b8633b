"""Job configurations for tests."""

from __future__ import annotations

PIPELINE = """<?xml version='1.1' encoding='UTF-8'?>
<flow-definition plugin="workflow-job">
  <description>Nightly</description>
  <keepDependencies>false</keepDependencies>
  <properties>{properties}</properties>
  <definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition" plugin="workflow-cps">
    <script>pipeline {{ agent any }}</script>
    <sandbox>true</sandbox>
  </definition>
  <triggers/>
  <disabled>false</disabled>
</flow-definition>
"""
PARAMETERS = """<hudson.model.ParametersDefinitionProperty><parameterDefinitions>
<hudson.model.StringParameterDefinition><name>REF</name><defaultValue>v6.12</defaultValue>
</hudson.model.StringParameterDefinition>
<hudson.model.ChoiceParameterDefinition><name>LEVEL</name>
<choices class="java.util.Arrays$ArrayList"><a class="string-array"><string>smoke</string>
<string>full</string></a></choices></hudson.model.ChoiceParameterDefinition>
<hudson.model.BooleanParameterDefinition><name>KEEP</name><defaultValue>false</defaultValue>
</hudson.model.BooleanParameterDefinition>
<hudson.model.StringParameterDefinition><name>OUTCOME</name><defaultValue>pass</defaultValue>
</hudson.model.StringParameterDefinition>
</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"""
SINGLE = "<org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty/>"
FOLDER = "<com.cloudbees.hudson.plugins.folder.Folder><properties/></com.cloudbees.hudson.plugins.folder.Folder>"  # noqa: E501
BARE = PIPELINE.format(properties="")
WITH_PARAMETERS = PIPELINE.format(properties=PARAMETERS)
ONE_AT_A_TIME = PIPELINE.format(properties=SINGLE)
